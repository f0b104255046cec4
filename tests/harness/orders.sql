create table orders (id integer primary key, customer text not null, total real not null, status text not null);
insert into orders (customer, total, status) values
    ('ada', 19.5, 'shipped'), ('ada', 5.0, 'open'), ('ada', 100.25, 'shipped'), ('grace', 42.0, 'open');
create table secrets (id integer primary key, big integer, bytes blob, text text);
insert into secrets (big, bytes, text) values (9007199254740993, x'00ff10', 'it''s "quoted"');
