CREATE TABLE archive (id int);
DROP TABLE orders;
