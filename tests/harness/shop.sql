SET ROLE shop_owner;
CREATE TABLE orders (id integer PRIMARY KEY, customer text NOT NULL, total numeric(12, 2) NOT NULL);
INSERT INTO orders VALUES (1, 'ada', 10.50), (2, 'ada', 20.25), (3, 'ada', 1.00), (4, 'bob', 99.99);
CREATE SEQUENCE ticket;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE FUNCTION add_order(customer text) RETURNS integer LANGUAGE sql AS
    'INSERT INTO orders SELECT max(id) + 1, $1, 0 FROM orders RETURNING id';
CREATE FUNCTION drop_orders() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DROP TABLE orders''; END';
CREATE PROCEDURE commit_midway() LANGUAGE plpgsql AS 'BEGIN COMMIT; INSERT INTO orders VALUES (99, ''x'', 0); END';
RESET ROLE;
ALTER SCHEMA public OWNER TO shop_owner;
