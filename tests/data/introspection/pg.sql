-- What pg sent. Recorded by script/record-introspection.
-- next
SELECT * FROM rich.orders WHERE id = $1
-- next
SELECT 1
