create table orders (id integer primary key, customer text not null, total real not null, status text not null);
insert into orders (customer, total, status) values
    ('ada', 19.5, 'shipped'),
    ('ada', 5.0, 'open'),
    ('ada', 100.25, 'shipped'),
    ('grace', 42.0, 'open'),
    ('grace', 7.75, 'cancelled');
