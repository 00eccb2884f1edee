package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A ticket, as the gateway tells of it.
type ticket struct{ Ticket, State string }

// decided waits until an operator has decided; the gateway answers every few seconds, decided or not.
func decided(ctx context.Context, c *pgx.Conn, detail string) (t ticket, err error) {
	if err = json.Unmarshal([]byte(detail), &t); err != nil {
		return t, err
	}
	for t.State == "pending" {
		var text string
		if err = c.QueryRow(ctx, `SHOW backstop.wait."`+t.Ticket+`"`).Scan(&text); err != nil {
			return t, err
		}
		if err = json.Unmarshal([]byte(text), &t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// whenApproved runs one statement; where it is held, the same statement again once it is approved.
func whenApproved(ctx context.Context, c *pgx.Conn, sql string, args ...any) (pgconn.CommandTag, error) {
	for {
		tag, err := c.Exec(ctx, sql, args...)
		var said *pgconn.PgError
		if !errors.As(err, &said) || said.Code != "ZB001" {
			return tag, err // it ran, or it will not: ZB002 is an operator's no
		}
		fmt.Println("held")
		if t, failed := decided(ctx, c, said.Detail); failed != nil {
			return tag, failed
		} else if t.State != "approved" {
			return tag, fmt.Errorf("%s: %w", t.State, err)
		}
	}
}

func main() {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, os.Args[1])
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)

	var n int
	if err := c.QueryRow(ctx, "SELECT count(*) FROM orders").Scan(&n); err != nil {
		panic(err)
	}
	fmt.Println("read", n)

	tag, err := whenApproved(ctx, c, "DELETE FROM orders WHERE paid = $1", false)
	var said *pgconn.PgError
	if errors.As(err, &said) {
		fmt.Println("stopped", err)
		os.Exit(3)
	} else if err != nil {
		panic(err)
	}
	fmt.Println("deleted", tag.RowsAffected())
}
