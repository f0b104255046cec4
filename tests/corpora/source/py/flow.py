# case: module_constant
FIND = "SELECT * FROM t WHERE id = ?"
def find(cur, i):
    cur.execute(FIND, (i,))
# case: implicit_concatenation
cur.execute(
    "SELECT * FROM t "
    "WHERE id = ? "
    "AND a = ?", (i, a))
# case: implicit_concatenation_fstring
cur.execute(
    "SELECT * FROM t " #!
    f"WHERE id = {i}")
# case: constant_fstring
TABLE = "users"
cur.execute(f"SELECT * FROM {TABLE} WHERE id = ?", (i,))
# case: constant_percent
TABLE = "users"
cur.execute("SELECT * FROM %s WHERE id = ?" % TABLE, (i,))
# case: constant_format
COLS = ("id", "name")
cur.execute("SELECT {} FROM t".format(", ".join(COLS)))
# case: variable
def f(cur, name):
    query = "SELECT * FROM t WHERE name = '%s'" % name #!
    cur.execute(query)
# case: variable_two_steps
def f(cur, name):
    where = "name = '" + name + "'" #!
    query = "SELECT * FROM t WHERE " + where
    cur.execute(query)
# case: plus_equals
def f(cur, name):
    q = "SELECT * FROM t"
    if name:
        q += " WHERE name = '%s'" % name #!
    cur.execute(q)
# case: plus_equals_parameter
def f(cur, name):
    q = "SELECT * FROM t"
    args = []
    if name:
        q += " WHERE name = ?"
        args.append(name)
    cur.execute(q, args)
# case: plus_equals_bare
def f(cur, tail):
    q = "SELECT * FROM t "
    q += tail #! sql_append
    cur.execute(q)
# case: parameter
@app.route("/run")
def f(sql):
    cur.execute(sql) #!
# case: parameter_of_uncalled
def f(cur, sql):
    return cur.execute(sql) #! sql_parameter
# case: helper_with_constants
def run(cur, sql, args=()):
    cur.execute(sql, args)
def main(cur):
    run(cur, "SELECT 1")
    run(cur, "SELECT * FROM t WHERE a = ?", (1,))
# case: helper_with_value
def run(cur, sql):
    cur.execute(sql)
def main(cur, name):
    run(cur, "SELECT * FROM t WHERE name = '%s'" % name) #!
# case: helper_builds
def where(name):
    return f"WHERE name = '{name}'" #!
def f(cur, name):
    cur.execute("SELECT * FROM t " + where(name))
# case: helper_builds_constant
def table():
    return "users"
cur.execute(f"SELECT * FROM {table()}")
# case: keyword_helper
def run(cur, *, sql):
    cur.execute(sql)
run(cur, sql="SELECT * FROM t WHERE a = " + a) #!
# case: ternary
cur.execute("SELECT * FROM a" if flag else "SELECT * FROM b")
# case: ternary_fragment
cur.execute(f"SELECT * FROM a ORDER BY id {'DESC' if desc else 'ASC'}")
# case: ternary_value
cur.execute("SELECT * FROM t" + (f" WHERE a = {a}" if a else "")) #!
# case: dict_lookup
COLUMNS = {"name": "u.name", "age": "u.age"}
def f(cur, sort):
    cur.execute(f"SELECT * FROM users u ORDER BY {COLUMNS[sort]}")
# case: dict_get_default
COLUMNS = {"name": "u.name", "age": "u.age"}
def f(cur, sort):
    cur.execute(f"SELECT * FROM users u ORDER BY {COLUMNS.get(sort, 'u.id')}")
# case: dict_get_value
COLUMNS = {"name": "u.name"}
def f(cur, sort):
    cur.execute(f"SELECT * FROM users u ORDER BY {COLUMNS.get(sort, sort)}") #!
# case: allow_list
ALLOWED = {"name", "age"}
def f(cur, column):
    if column not in ALLOWED:
        raise ValueError(column)
    cur.execute(f"SELECT * FROM t ORDER BY {column}")
# case: allow_list_positive
def f(cur, column):
    if column in ("name", "age"):
        cur.execute(f"SELECT * FROM t ORDER BY {column}")
# case: allow_list_missing_raise
def f(cur, column):
    if column not in ("name", "age"):
        print("odd")
    cur.execute(f"SELECT * FROM t ORDER BY {column}") #!
# case: match_statement
def f(cur, kind):
    match kind:
        case "a":
            table = "apples"
        case "b":
            table = "berries"
        case _:
            raise ValueError(kind)
    cur.execute(f"SELECT * FROM {table}")
# case: match_value
def f(cur, kind):
    match kind:
        case "a":
            table = "apples"
        case other:
            table = other
    cur.execute(f"SELECT * FROM {table}") #!
# case: in_placeholders
marks = ", ".join(["%s"] * len(ids))
cur.execute(f"SELECT * FROM t WHERE id IN ({marks})", ids)
# case: in_placeholders_generator
marks = ",".join("?" for _ in ids)
cur.execute("SELECT * FROM t WHERE id IN (%s)" % marks, ids)
# case: in_placeholders_text_times
marks = ("?," * len(ids))[:-1]
cur.execute("SELECT * FROM t WHERE id IN (" + marks + ")", ids)
# case: in_placeholders_numbered
marks = ", ".join(f"${i + 1}" for i in range(len(ids)))
await conn.fetch(f"SELECT * FROM t WHERE id IN ({marks})", *ids)
# case: in_placeholders_enumerate
marks = ", ".join(f"${i}" for i, _ in enumerate(ids, 1))
await conn.fetch(f"SELECT * FROM t WHERE id IN ({marks})", *ids)
# case: in_values
cur.execute("SELECT * FROM t WHERE id IN (%s)" % ",".join(map(str, ids))) #!
# case: in_values_join
cur.execute("SELECT * FROM t WHERE id IN (" + ",".join(ids) + ")") #!
# case: in_tuple
cur.execute(f"SELECT * FROM t WHERE id IN {tuple(ids)}") #!
# case: any_parameter
cur.execute("SELECT * FROM t WHERE id = ANY(%s)", (ids,))
# case: conditions
conds, args = [], []
if a:
    conds.append("a = %s")
    args.append(a)
if b:
    conds.append("b = %s")
    args.append(b)
cur.execute("SELECT * FROM t WHERE " + " AND ".join(conds), args)
# case: conditions_values
conds = []
if a:
    conds.append(f"a = '{a}'") #!
cur.execute("SELECT * FROM t WHERE " + " AND ".join(conds))
# case: set_names_from_input
sets = ", ".join(f"{key} = ?" for key in data) #!
cur.execute(f"UPDATE t SET {sets}", list(data.values()))
# case: set_names_constant
FIELDS = ["name", "age"]
sets = ", ".join(f"{field} = ?" for field in FIELDS)
cur.execute(f"UPDATE t SET {sets} WHERE id = ?", values)
# case: loop_constant_tables
for table in ("a", "b", "c"):
    cur.execute(f"DELETE FROM {table}")
# case: loop_value_tables
for table in tables:
    cur.execute(f"DELETE FROM {table}") #! sql_identifier
# case: loop_grows
q = "SELECT * FROM t WHERE 1 = 1"
for key, value in filters.items():
    q += f" AND {key} = '{value}'" #!
cur.execute(q)
# case: loop_grows_constant
q = "INSERT INTO t VALUES (?)"
for _ in rows[1:]:
    q += ", (?)"
cur.execute(q, rows)
# case: class_attribute
class Repo:
    TABLE = "users"
    def __init__(self, conn):
        self.conn = conn
    def find(self, i):
        return self.conn.execute(f"SELECT * FROM {self.TABLE} WHERE id = ?", (i,))
# case: class_attribute_of_instance
class Repo:
    def __init__(self, conn, table):
        self.conn = conn
        self.table = table
    def find(self, i):
        return self.conn.execute(f"SELECT * FROM {self.table} WHERE id = ?", (i,)) #!
# case: class_instance_constant
class Repo:
    def __init__(self, conn, table):
        self.conn = conn
        self.table = table
    def find(self, i):
        return self.conn.execute(f"SELECT * FROM {self.table} WHERE id = ?", (i,))
Repo(conn, "users").find(1)
# case: class_runner
class Repo:
    def _run(self, sql, args):
        return self.conn.execute(sql, args)
    def find(self, i):
        return self._run("SELECT * FROM t WHERE id = ?", (i,))
# case: class_runner_unsafe
class Repo:
    def _run(self, sql):
        return self.conn.execute(sql)
    def find(self, i):
        return self._run(f"SELECT * FROM t WHERE id = {i}") #!
# case: class_property
class Repo:
    @property
    def base(self):
        return "SELECT * FROM t"
    def find(self, i):
        return self.conn.execute(self.base + " WHERE id = ?", (i,))
# case: enum_value
from enum import Enum
class Table(Enum):
    USERS = "users"
    ORDERS = "orders"
cur.execute(f"SELECT * FROM {Table.USERS.value}")
# case: enum_lookup
from enum import Enum
class Table(str, Enum):
    USERS = "users"
    ORDERS = "orders"
cur.execute(f"SELECT * FROM {Table[name].value}")
# case: subclass_table
class Base:
    TABLE = "base"
    def all(self):
        return self.db.execute("SELECT * FROM " + self.TABLE)
class Users(Base):
    TABLE = "users"
# case: lambda
find = lambda i: cur.execute("SELECT * FROM t WHERE id = " + i) #!
# case: lambda_safe
find = lambda i: cur.execute("SELECT * FROM t WHERE id = ?", (i,))
# case: walrus
if (q := f"SELECT * FROM t WHERE id = {i}"): #!
    cur.execute(q)
# case: tuple_assignment
q, args = "SELECT * FROM t WHERE id = ?", (i,)
cur.execute(q, args)
# case: tuple_assignment_unsafe
q, args = "SELECT * FROM t WHERE id = " + i, () #!
cur.execute(q, args)
# case: star_arguments
args = ("SELECT * FROM t WHERE id = ?", (i,))
cur.execute(*args)
# case: star_arguments_unsafe
args = ("SELECT * FROM t WHERE id = '%s'" % i,) #!
cur.execute(*args)
# case: alias_method
run = cur.execute
run("SELECT * FROM t WHERE id = " + i) #!
# case: alias_method_safe
run = cur.execute
run("SELECT * FROM t WHERE id = ?", (i,))
# case: alias_cursor
c = conn.cursor()
c.execute(f"SELECT * FROM t WHERE id = {i}") #!
# case: alias_odd_name
handle = sqlite3.connect("x").cursor()
handle.execute(f"SELECT * FROM t WHERE id = {i}") #!
# case: to_thread
await asyncio.to_thread(cur.execute, f"SELECT * FROM t WHERE id = {i}") #!
# case: to_thread_safe
await asyncio.to_thread(cur.execute, "SELECT * FROM t WHERE id = ?", (i,))
# case: run_in_executor
await loop.run_in_executor(None, cur.execute, "SELECT * FROM t WHERE id = " + i) #!
# case: partial
from functools import partial
run = partial(cur.execute, "SELECT * FROM t WHERE id = " + i) #!
# case: global_changed
TABLE = "users"
def change(name):
    global TABLE
    TABLE = name
def all(cur):
    cur.execute("SELECT * FROM " + TABLE) #!
# case: nonlocal_changed
def outer(cur, name):
    q = "SELECT 1"
    def inner():
        nonlocal q
        q = "SELECT * FROM " + name #!
    inner()
    cur.execute(q)
# case: strip_and_dedent
from textwrap import dedent
cur.execute(dedent("""
    SELECT * FROM t WHERE id = ?
""").strip(), (i,))
# case: replace_value
cur.execute("SELECT * FROM t WHERE id = :id".replace(":id", i)) #!
# case: replace_constant
cur.execute("SELECT * FROM {t}".replace("{t}", "users"))
# case: escaped_by_hand
cur.execute("SELECT * FROM t WHERE name = '%s'" % name.replace("'", "''")) #!
# case: int_cast
cur.execute(f"SELECT * FROM t LIMIT {int(limit)}") #!
# case: template_class
from string import Template
cur.execute(Template("SELECT * FROM t WHERE id = $i").substitute(i=i)) #!
# case: format_map
cur.execute("SELECT * FROM t WHERE id = {i}".format_map({"i": i})) #!
# case: format_named
cur.execute("SELECT * FROM t WHERE id = {i}".format(i=i)) #!
# case: format_star
cur.execute("SELECT * FROM t WHERE id = {i}".format(**values)) #!
# case: percent_dict
cur.execute("SELECT * FROM t WHERE id = %(i)s" % {"i": i}) #!
# case: percent_literal
cur.execute("SELECT * FROM t WHERE name LIKE 'a%%' AND id = %s", (i,))
# case: like_parameter
cur.execute("SELECT * FROM t WHERE name LIKE ?", (f"%{term}%",))
# case: like_value
cur.execute(f"SELECT * FROM t WHERE name LIKE '%{term}%'") #!
# case: file_text
cur.execute(open("query.sql").read()) #!
# case: request_args
cur.execute("SELECT * FROM t WHERE id = " + request.args.get("id")) #!
# case: input_call
cur.execute("SELECT * FROM t WHERE id = " + input()) #!
# case: try_except
try:
    q = "SELECT 1"
except Exception:
    q = "SELECT 2"
cur.execute(q)
# case: with_statement
with open("x") as f, conn.cursor() as cur:
    cur.execute("INSERT INTO t VALUES (?)", (f.read(),))
# case: context_manager
from contextlib import contextmanager
@contextmanager
def get_cursor():
    conn = connect()
    yield conn.cursor()
with get_cursor() as cursor:
    cursor.execute("SELECT * FROM t WHERE a = '%s'" % a) #!
# case: decorated_route
@app.get("/users/{user_id}")
async def read(user_id: str, db: Session = Depends(get_db)):
    return db.execute(f"SELECT * FROM users WHERE id = '{user_id}'") #!
# case: decorated_route_safe
@app.get("/users/{user_id}")
async def read(user_id: str, db: Session = Depends(get_db)):
    return db.execute(text("SELECT * FROM users WHERE id = :id"), {"id": user_id})
# case: main_guard
def main():
    cur.execute("SELECT * FROM t WHERE a = '" + sys.argv[1] + "'") #!
if __name__ == "__main__":
    main()
# case: nested_function
def outer(cur, x):
    def inner(y):
        return f"SELECT * FROM t WHERE y = {y}" #!
    cur.execute(inner(x))
# case: dataclass_field
from dataclasses import dataclass
@dataclass
class Q:
    sql: str
    args: tuple
q = Q("SELECT * FROM t WHERE a = ?", (1,))
cur.execute(q.sql, q.args)
# case: list_of_constants
for q in ["SELECT 1", "SELECT 2"]:
    cur.execute(q)
# case: list_of_tuples
for q, args in [("SELECT 1", ()), ("SELECT ?", (1,))]:
    cur.execute(q, args)
# case: chained_or
order = None or "id"
cur.execute("SELECT * FROM t ORDER BY " + order)
# case: value_or_default
order = request.args.get("order") or "id"
cur.execute("SELECT * FROM t ORDER BY " + order) #!
# case: recursion
def walk(cur, node):
    cur.execute("SELECT * FROM nodes WHERE parent = ?", (node,))
    for child in cur.fetchall():
        walk(cur, child[0])
# case: cursor_fetch
for row in cur.execute("SELECT * FROM t"):
    cur.execute("UPDATE t SET a = ? WHERE id = ?", (row[1], row[0]))
