# case: print_text
print(f"select * from t where id = {i}")
# case: log_text
logger.info("delete from t where id = %s" % i); logging.debug("select " + name)
# case: exception_text
raise ValueError(f"update of {name} failed: set {value}")
# case: re_compile
pattern = re.compile(f"select {name}"); pattern.match(text)
# case: subprocess_run
subprocess.run(["ls", directory]); subprocess.run(f"ls {directory}", shell=True)
# case: executor_submit
executor.submit(work, item); pool.map(work, items)
# case: command_execute
command.execute(context); job.run(task)
# case: dict_get
cache.get(f"select:{i}"); d.get("insert into " + key)
# case: dom_select
soup.select(f"div.{name}"); driver.execute_script("return " + name)
# case: url
requests.get(f"https://api/query?select={name}&from=x")
# case: not_sent
sql = f"SELECT * FROM t WHERE id = {i}"
print(sql)
# case: response_text
body = response.text; data = page.text("select")
# case: series_query
frame.query("a > @limit"); df.query(expression)
# case: file_write
out.write(f"INSERT INTO t VALUES ({i});\n")
# case: html_text
html = f"<select name='{name}'><option>from {x}</option></select>"
# case: mongo
collection.find({"name": name}); collection.update_one({"_id": i}, {"$set": {"a": f"set {a}"}})
# case: redis
r.execute_command("GET", f"user:{i}"); r.set(f"select {i}", 1)
# case: literal_eval
value = ast.literal_eval(text)
# case: model_eval
model.eval(); torch.compile(model)
# case: getattr_constant
run = getattr(conn, "execute")
run("SELECT 1")
# case: getattr_other
value = getattr(settings, name, None)
# case: import_module_constant
module = importlib.import_module("json")
# case: eval_call
result = eval(expression) #! dynamic_code
# case: exec_call
exec(code) #! dynamic_code
# case: exec_fstring
exec(f"x = {value}") #! dynamic_code
# case: compile_call
compile(text, "x", "exec") #! dynamic_code
# case: import_value
module = __import__(name) #! dynamic_import
# case: import_module_value
module = importlib.import_module(f"plugins.{name}") #! dynamic_import
# case: getattr_value
getattr(conn, method)("SELECT 1") #! dynamic_member
# case: getattr_cursor
fn = getattr(cursor, request.args["m"]) #! dynamic_member
# case: parameters_like_sql
cur.execute("INSERT INTO notes (body) VALUES (?)", (f"select * from {name}",))
# case: parameters_concat
cur.execute("SELECT * FROM t WHERE a LIKE ?", ("%" + name + "%",))
# case: orm_update
user.update(name=f"set {name}"); session.add(User(name=name)); session.commit()
# case: signal_text
bus.send(f"select * from {name}"); queue.put("delete from " + name)
# case: format_message
message = "Select {} from the list".format(name); notify(message)
# case: sorted_key
rows.sort(key=lambda row: row["select"]); sorted(rows)
# case: assert_text
assert str(query) == f"SELECT * FROM {table}"
# case: path_join
path = os.path.join("select", name); open(path)
# case: docstring
def f(cur):
    """SELECT * FROM {table} is what this runs."""
    cur.execute("SELECT * FROM t")
# case: tasks_text
text = f"update {x} set {y}"
show(text)
