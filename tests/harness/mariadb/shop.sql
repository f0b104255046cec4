CREATE TABLE orders (id int PRIMARY KEY, customer varchar(100) NOT NULL, total decimal(12, 2) NOT NULL);
INSERT INTO orders VALUES (1, 'ada', 10.50), (2, 'ada', 20.25), (3, 'ada', 1.00), (4, 'bob', 99.99);
CREATE TABLE plain (id int, note varchar(100)) ENGINE = MyISAM;
INSERT INTO plain VALUES (1, 'kept without transactions');
CREATE SEQUENCE ticket;
CREATE TABLE counted (id int AUTO_INCREMENT PRIMARY KEY, note varchar(100));
CREATE VIEW cheap AS SELECT * FROM orders WHERE total < 20;
delimiter //
CREATE FUNCTION add_order(customer varchar(100)) RETURNS int MODIFIES SQL DATA BEGIN
    INSERT INTO orders SELECT max(id) + 1, customer, 0 FROM orders;
    RETURN 1;
END //
CREATE FUNCTION is_uuid(anything varchar(100)) RETURNS int MODIFIES SQL DATA BEGIN
    INSERT INTO orders SELECT max(id) + 1, anything, 0 FROM orders;
    RETURN 1;
END //
CREATE FUNCTION `now`() RETURNS int MODIFIES SQL DATA BEGIN
    INSERT INTO orders SELECT max(id) + 1, 'now', 0 FROM orders;
    RETURN 1;
END //
CREATE PROCEDURE drop_orders() BEGIN DROP TABLE orders; END //
CREATE PROCEDURE commit_midway() BEGIN COMMIT; INSERT INTO orders VALUES (99, 'x', 0); END //
CREATE PROCEDURE list_orders() BEGIN SELECT * FROM orders; SELECT 2; END //
delimiter ;
