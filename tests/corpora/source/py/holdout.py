# case: nested_fstring
cur.execute(f"SELECT * FROM t WHERE a IN ({f'SELECT id FROM u WHERE n = {n!r}'})") #!
# case: fstring_format_spec
cur.execute(f"SELECT * FROM t WHERE a = {a:>10}") #!
# case: fstring_without_holes
cur.execute(f"SELECT * FROM t WHERE a = 1")
# case: function_attribute
class Q:
    @staticmethod
    def by_id(i):
        return "SELECT * FROM t WHERE id = " + i #!
cur.execute(Q.by_id(request.args["i"]))
# case: classmethod_constant
class Q:
    NAME = "t"
    @classmethod
    def all(cls):
        return f"SELECT * FROM {cls.NAME}"
cur.execute(Q.all())
# case: dict_of_lambdas
QUERIES = {"find": lambda i: f"SELECT * FROM t WHERE id = {i}"} #!
cur.execute(QUERIES["find"](i))
# case: dict_of_constants
QUERIES = {"find": "SELECT * FROM t WHERE id = ?", "all": "SELECT * FROM t"}
cur.execute(QUERIES[kind], args)
# case: kwargs_only
def run(cur, **kwargs):
    cur.execute(kwargs["sql"]) #!
# case: star_args_function
def run(cur, *args):
    return cur.execute(*args)
run(cur, "SELECT * FROM t WHERE a = " + a) #!
# case: default_argument
def rows(cur, order="id"):
    cur.execute("SELECT * FROM t ORDER BY " + order) #!
# case: default_argument_called
def rows(cur, order="id"):
    cur.execute("SELECT * FROM t ORDER BY " + order)
rows(cur)
rows(cur, "name")
# case: chained_comparison_guard
def f(cur, d):
    if d != "asc" and d != "desc":
        raise ValueError
    cur.execute("SELECT * FROM t ORDER BY a " + d)
# case: ternary_equality
d = "DESC" if request.args.get("d") == "desc" else "ASC"
cur.execute("SELECT * FROM t ORDER BY a " + d)
# case: upper_value
d = request.args["d"].upper()
cur.execute("SELECT * FROM t ORDER BY a " + d) #!
# case: guard_with_return
def f(cur, c):
    if c not in {"a", "b"}:
        return None
    return cur.execute(f"SELECT {c} FROM t")
# case: guard_then_changed
def f(cur, c):
    if c not in {"a", "b"}:
        return None
    c = c + other #!
    return cur.execute(f"SELECT {c} FROM t")
# case: guard_on_other_name
def f(cur, c, e):
    if c not in {"a", "b"}:
        return None
    return cur.execute(f"SELECT {e} FROM t") #!
# case: assert_guard
def f(cur, c):
    assert c in ("a", "b")
    cur.execute(f"SELECT {c} FROM t")
# case: dict_membership
MAP = {"a": "x", "b": "y"}
def f(cur, c):
    if c not in MAP:
        raise KeyError(c)
    cur.execute(f"SELECT {c} FROM t")
# case: list_comprehension_guard
cols = [c for c in request.args if c in ("a", "b")]
cur.execute("SELECT " + ", ".join(cols) + " FROM t")
# case: comprehension_values
cols = [c for c in request.args]
cur.execute("SELECT " + ", ".join(cols) + " FROM t") #!
# case: format_positional
cur.execute("SELECT {0} FROM {1}".format("a", table)) #! sql_identifier
# case: format_constant
cur.execute("SELECT {0} FROM {1}".format("a", "t"))
# case: percent_tuple_mixed
cur.execute("SELECT * FROM %s WHERE a = '%s'" % ("t", a)) #!
# case: append_in_branch
q = ["SELECT * FROM t"]
if a:
    q.append("WHERE a = ?")
cur.execute(" ".join(q), args)
# case: append_in_branch_value
q = ["SELECT * FROM t"]
if a:
    q.append("WHERE a = " + a) #!
cur.execute(" ".join(q))
# case: string_io
from io import StringIO
b = StringIO()
b.write("SELECT * FROM t WHERE a = ")
b.write(a) #!
cur.execute(b.getvalue())
# case: multi_target
q = r = "SELECT * FROM t WHERE a = '%s'" % a #!
cur.execute(r)
# case: conditional_import
try:
    import sqlite3 as db
except ImportError:
    db = None
db.connect("x").execute("SELECT * FROM t WHERE a = " + a) #!
# case: context_alias
with closing(connection.cursor()) as c:
    c.execute("SELECT * FROM t WHERE a = '" + a + "'") #!
# case: context_alias_safe
with closing(connection.cursor()) as c:
    c.execute("SELECT * FROM t WHERE a = %s", [a])
# case: generator_texts
def texts(names):
    for n in names:
        yield "DROP TABLE " + n
for t in texts(names):
    cur.execute(t) #!
# case: decorator_wraps
def logged(fn):
    def inner(*args, **kwargs):
        return fn(*args, **kwargs)
    return inner
@logged
def find(cur, i):
    return cur.execute("SELECT * FROM t WHERE id = %s", (i,))
# case: async_with
async def f(pool, name):
    async with pool.acquire() as c, c.transaction():
        await c.execute(f"DELETE FROM t WHERE name = '{name}'") #!
# case: async_with_safe
async def f(pool, name):
    async with pool.acquire() as c, c.transaction():
        await c.execute("DELETE FROM t WHERE name = $1", name)
# case: match_class
def f(cur, e):
    match e:
        case Event(name=n):
            cur.execute(f"SELECT * FROM t WHERE n = '{n}'") #!
# case: while_loop
q = "SELECT * FROM t WHERE 1 = 1"
while parts:
    q += " AND " + parts.pop() #!
cur.execute(q)
# case: slice_text
q = "SELECT * FROM t WHERE a = ? AND "
cur.execute(q[:-5], (a,))
# case: backslash_continuation
q = "SELECT * FROM t " \
    "WHERE a = ?"
cur.execute(q, (a,))
# case: triple_quoted
cur.execute("""
    SELECT *
    FROM t
    WHERE a = %s
""", (a,))
# case: triple_quoted_format
cur.execute("""SELECT * FROM t -- #!
    WHERE a = '{}'
""".format(a))
# case: os_environ
cur.execute("SET search_path TO " + os.environ["SCHEMA"]) #!
# case: json_body
cur.execute("SELECT * FROM t WHERE a = '%s'" % json.loads(event["body"])["a"]) #!
# case: lambda_handler
def lambda_handler(event, context):
    conn = psycopg2.connect(dsn)
    conn.cursor().execute("DELETE FROM t WHERE id = " + event["id"]) #!
# case: flask_g
g.db.execute("SELECT * FROM t WHERE a = '" + a + "'") #!
# case: flask_g_safe
g.db.execute("SELECT * FROM t WHERE a = ?", (a,))
# case: sqlalchemy_literal_column
from sqlalchemy import literal_column, select
stmt = select(literal_column(request.args["c"])) #!
# case: sqlalchemy_order_by_text
from sqlalchemy import select, text
stmt = select(User).order_by(text(request.args["sort"])) #!
# case: sqlalchemy_order_by_column
from sqlalchemy import select
stmt = select(User).order_by(getattr(User, name))
session.execute(stmt)
# case: sqlalchemy_func
from sqlalchemy import func, select
session.execute(select(func.count()).select_from(User).where(User.a == a))
# case: sqlalchemy_delete_method
session.query(User).filter_by(name=name).delete()
# case: django_get
User.objects.get(pk=request.GET["id"])
# case: django_order
User.objects.order_by(request.GET["sort"])
# case: airflow_operator
PostgresHook("x").run("DELETE FROM t WHERE a = '" + a + "'") #!
# case: dbt_like
print("run: select * from " + table); schedule(f"update {table}")
# case: pandas_to_sql
df.to_sql(name, conn, if_exists="append")
# case: argparse
parser.add_argument("--query", help=f"select {x} from y")
# case: template_render
render_template("select.html", query=f"select {x} from y")
# case: tk_select
widget.select(f"from {a}"); combo.set(f"update {b}")
# case: hashlib
hashlib.md5(("select * from t where id = " + i).encode()).hexdigest()
