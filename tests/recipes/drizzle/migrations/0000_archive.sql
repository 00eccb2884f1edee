CREATE TABLE archive (id int);
--> statement-breakpoint
DROP TABLE orders;
