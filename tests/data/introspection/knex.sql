-- What knex sent. Recorded by script/record-introspection.
-- next
select version();
-- next
set search_path to "rich","public"
-- next
select * from information_schema.columns where table_name = $1 and table_catalog = current_database() and table_schema = current_schema()
-- next
select * from information_schema.tables where table_name = $1 and table_schema = $2
-- next
select * from information_schema.columns where table_name = $1 and column_name = $2 and table_schema = $3
-- next
select * from information_schema.tables where table_name = $1 and table_schema = current_schema()
-- next
select * from "orders" where "id" = $1 limit $2
-- next
select count(*) as "n" from "orders"
-- next
select version()
-- next
BEGIN TRANSACTION READ ONLY;
-- next
select "id" from "orders" limit $1
-- next
COMMIT;
