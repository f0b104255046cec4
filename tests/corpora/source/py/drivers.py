# case: sqlite3_placeholder
import sqlite3
conn = sqlite3.connect("a.db")
cur = conn.cursor()
cur.execute("SELECT * FROM users WHERE id = ?", (user_id,))
# case: sqlite3_fstring
import sqlite3
conn = sqlite3.connect("a.db")
cur = conn.cursor()
cur.execute(f"SELECT * FROM users WHERE id = {user_id}") #! sql_template
# case: sqlite3_percent
cur = conn.cursor()
cur.execute("SELECT * FROM users WHERE name = '%s'" % name) #! sql_format
# case: sqlite3_format
conn.execute("SELECT * FROM users WHERE name = '{}'".format(name)) #! sql_format
# case: sqlite3_concat
conn.execute("SELECT * FROM users WHERE name = '" + name + "'") #! sql_concat
# case: sqlite3_named
conn.execute("SELECT * FROM users WHERE name = :name", {"name": name})
# case: sqlite3_executemany
cur.executemany("INSERT INTO t VALUES (?, ?)", rows)
# case: sqlite3_executemany_unsafe
cur.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows) #! sql_identifier
# case: sqlite3_executescript
conn.executescript("CREATE TABLE a (id INTEGER); CREATE TABLE b (id INTEGER);")
# case: sqlite3_executescript_unsafe
conn.executescript(script) #! sql_unknown
# case: psycopg_safe
import psycopg2
with psycopg2.connect(dsn) as conn:
    with conn.cursor() as cur:
        cur.execute("SELECT * FROM users WHERE email = %s", (email,))
        row = cur.fetchone()
# case: psycopg_percent_operator
import psycopg2
with psycopg2.connect(dsn) as conn:
    with conn.cursor() as cur:
        cur.execute("SELECT * FROM users WHERE email = %s" % email) #!
# case: psycopg_named
cur.execute("SELECT * FROM users WHERE email = %(email)s AND age > %(age)s", {"email": email, "age": age})
# case: psycopg_identifier
from psycopg2 import sql
cur.execute(sql.SQL("SELECT {} FROM {} WHERE id = %s").format(sql.Identifier(column), sql.Identifier(table)), (id,))
# case: psycopg_identifier_join
from psycopg import sql
q = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier("t"), sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(sql.Placeholder() * len(names)))
cur.execute(q, values)
# case: psycopg_sql_value
from psycopg2 import sql
cur.execute(sql.SQL(f"SELECT * FROM t WHERE id = {id}")) #!
# case: psycopg_sql_variable
from psycopg2.sql import SQL
cur.execute(SQL(request.args["q"])) #!
# case: psycopg_mogrify
cur.mogrify("SELECT * FROM t WHERE id = " + id) #!
# case: psycopg_execute_values
from psycopg2.extras import execute_values
execute_values(cur, "INSERT INTO t (a, b) VALUES %s", rows)
# case: psycopg_execute_values_unsafe
from psycopg2.extras import execute_values
execute_values(cur, f"INSERT INTO {table} (a, b) VALUES %s", rows) #!
# case: psycopg_as_is
from psycopg2.extensions import AsIs
cur.execute("SELECT * FROM %s", (AsIs(table),)) #!
# case: psycopg_copy
cur.copy_expert("COPY t FROM STDIN", file)
# case: psycopg_server_cursor
with conn.cursor(name="big") as cur:
    cur.execute("SELECT * FROM big WHERE day = %s", [day])
# case: asyncpg_safe
row = await conn.fetchrow("SELECT * FROM users WHERE name = $1", name)
# case: asyncpg_unsafe
row = await conn.fetchrow(f"SELECT * FROM users WHERE name = '{name}'") #!
# case: asyncpg_pool
async with pool.acquire() as connection:
    value = await connection.fetchval("SELECT count(*) FROM t WHERE a = $1", a)
# case: asyncpg_pool_unsafe
async with pool.acquire() as connection:
    value = await connection.fetchval("SELECT count(*) FROM " + table) #! sql_identifier
# case: asyncpg_fetch_unsafe
rows = await pool.fetch("SELECT * FROM t WHERE a = {}".format(a)) #!
# case: asyncpg_prepare
stmt = await conn.prepare("SELECT 2 ^ $1")
await stmt.fetchval(10)
# case: mysql_connector
import mysql.connector
cnx = mysql.connector.connect()
cursor = cnx.cursor()
cursor.execute("SELECT * FROM employees WHERE hire_date BETWEEN %s AND %s", (start, end))
# case: mysql_connector_unsafe
import mysql.connector
cnx = mysql.connector.connect()
cursor = cnx.cursor()
cursor.execute("SELECT * FROM employees WHERE name = '" + name + "'") #!
# case: pymysql_dict
with connection.cursor(pymysql.cursors.DictCursor) as cursor:
    cursor.execute("SELECT `id` FROM `users` WHERE `email`=%s", (email,))
# case: sqlalchemy_text
from sqlalchemy import text
result = conn.execute(text("SELECT x, y FROM some_table WHERE y > :y"), {"y": 2})
# case: sqlalchemy_text_unsafe
from sqlalchemy import text
result = conn.execute(text(f"SELECT x, y FROM some_table WHERE y > {y}")) #!
# case: sqlalchemy_text_variable
import sqlalchemy as sa
def f(session, q):
    stmt = sa.text("SELECT * FROM t WHERE a = '" + q + "'") #!
    return session.execute(stmt)
# case: sqlalchemy_bindparams
from sqlalchemy import text
stmt = text("SELECT * FROM t WHERE a = :a").bindparams(a=value)
session.execute(stmt)
# case: sqlalchemy_select
from sqlalchemy import select
stmt = select(User).where(User.name == name).order_by(User.id)
result = session.execute(stmt)
# case: sqlalchemy_select_scalars
from sqlalchemy import select
users = session.scalars(select(User).where(User.name.in_(names))).all()
# case: sqlalchemy_update
from sqlalchemy import update
session.execute(update(User).where(User.id == user_id).values(name=name))
# case: sqlalchemy_insert_core
conn.execute(users.insert().values(name=name))
# case: sqlalchemy_exec_driver
conn.exec_driver_sql("SELECT * FROM t WHERE a = %s" % a) #!
# case: sqlalchemy_filter_text
from sqlalchemy import text
session.query(User).filter(text("name = '%s'" % name)).all() #!
# case: sqlalchemy_filter
session.query(User).filter(User.name == name).all()
# case: sqlalchemy_string_execute
engine.execute("SELECT * FROM users WHERE id = " + user_id) #!
# case: sqlmodel
from sqlmodel import select
heroes = session.exec(select(Hero).where(Hero.name == name)).all()
# case: flask_sqlalchemy
db.session.execute(db.text("SELECT * FROM t WHERE id = :id"), {"id": id})
# case: flask_sqlalchemy_unsafe
db.session.execute("SELECT * FROM t WHERE id = %s" % id) #!
# case: django_raw
users = User.objects.raw("SELECT * FROM auth_user WHERE username = %s", [username])
# case: django_raw_unsafe
users = User.objects.raw("SELECT * FROM auth_user WHERE username = '%s'" % username) #!
# case: django_cursor
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("UPDATE bar SET foo = 1 WHERE baz = %s", [self.baz])
# case: django_cursor_unsafe
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("UPDATE bar SET foo = 1 WHERE baz = " + self.baz) #!
# case: django_extra
Entry.objects.extra(where=["headline = '%s'" % headline]) #!
# case: django_extra_safe
Entry.objects.extra(where=["headline = %s"], params=[headline])
# case: django_rawsql
from django.db.models.expressions import RawSQL
User.objects.annotate(val=RawSQL("select col from t where a = %s" % a, [])) #!
# case: django_rawsql_safe
from django.db.models.expressions import RawSQL
User.objects.annotate(val=RawSQL("select col from t where a = %s", (a,)))
# case: django_orm
User.objects.filter(name__icontains=term).order_by("name")
# case: pandas_read_sql
df = pd.read_sql("SELECT * FROM t WHERE a = ?", conn, params=[a])
# case: pandas_read_sql_unsafe
df = pd.read_sql(f"SELECT * FROM t WHERE a = '{a}'", conn) #!
# case: pandas_read_sql_query_keyword
df = pd.read_sql_query(sql="SELECT * FROM t WHERE a = " + a, con=conn) #!
# case: pandas_frame_query
df = df.query(f"age > {limit}")
# case: databases_values
rows = await database.fetch_all(query="SELECT * FROM notes WHERE id = :id", values={"id": id})
# case: databases_unsafe
rows = await database.fetch_all(query=f"SELECT * FROM notes WHERE id = {id}") #!
# case: aiosqlite
async with aiosqlite.connect("a.db") as db:
    async with db.execute("SELECT * FROM t WHERE a = ?", (a,)) as cursor:
        rows = await cursor.fetchall()
# case: aiosqlite_unsafe
async with aiosqlite.connect("a.db") as db:
    await db.execute("DELETE FROM t WHERE a = " + a) #!
# case: bigquery
from google.cloud import bigquery
client = bigquery.Client()
client.query("SELECT * FROM t WHERE a = '" + a + "'") #!
# case: bigquery_safe
from google.cloud import bigquery
client = bigquery.Client()
client.query("SELECT * FROM t WHERE a = @a", job_config=config)
# case: spark_sql
spark.sql(f"SELECT * FROM {table}") #!
# case: spark_sql_constant
spark.sql("SELECT * FROM events")
# case: duckdb
duckdb.sql("SELECT * FROM 'data.csv' WHERE a = " + a) #!
# case: duckdb_constant
con = duckdb.connect()
con.execute("SELECT * FROM t WHERE a = ?", [a])
# case: peewee_raw
User.raw("SELECT * FROM users WHERE name = %s", name)
# case: tortoise
await connection.execute_query("SELECT * FROM t WHERE a = " + a) #!
# case: cassandra
session.execute("SELECT * FROM users WHERE name = %s", [name])
# case: cassandra_unsafe
session.execute("SELECT * FROM users WHERE name = '" + name + "'") #!
# case: snowflake
cs = ctx.cursor()
cs.execute("SELECT * FROM t WHERE a = %s", (a,))
# case: snowflake_unsafe
conn.cursor().execute("USE WAREHOUSE " + warehouse) #!
# case: airlock_sdk
from airlock.resources import orders_db
async def handle(input):
    return await orders_db.query("select * from orders where id = $1", [input["id"]])
# case: airlock_sdk_unsafe
from airlock.resources import orders_db
async def handle(input):
    return await orders_db.query(f"select * from orders where id = {input['id']}") #!
# case: t_string
rows = await conn.execute(t"SELECT * FROM t WHERE a = {a}")
# case: simple_salesforce
sf.query("SELECT Id FROM Contact WHERE LastName = '" + name + "'") #!
# case: simple_salesforce_constant
sf.query("SELECT Id FROM Contact LIMIT 5")
# case: connection_execute_chain
row = sqlite3.connect("a.db").cursor().execute("SELECT * FROM t WHERE a = '%s'" % a).fetchone() #!
# case: connection_execute_chain_safe
row = sqlite3.connect("a.db").cursor().execute("SELECT * FROM t WHERE a = ?", (a,)).fetchone()
# case: graphql_gql
from gql import gql
query = gql("query ($id: ID!) { user(id: $id) { name } }")
client.execute(query, variable_values={"id": id})
# case: graphql_gql_unsafe
from gql import gql
client.execute(gql("query { user(id: \"%s\") { name } }" % id)) #! graphql_dynamic
# case: requests_graphql
requests.post(url, json={"query": f"query {{ user(id: \"{id}\") {{ name }} }}"}) #! graphql_dynamic
# case: requests_graphql_safe
requests.post(url, json={"query": "query ($id: ID!) { user(id: $id) { name } }", "variables": {"id": id}})
# case: clickhouse
client.execute("SELECT * FROM t WHERE a = %(a)s", {"a": a})
# case: clickhouse_unsafe
client.execute("SELECT * FROM t WHERE a = '%s'" % a) #!
