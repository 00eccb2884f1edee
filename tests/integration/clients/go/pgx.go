package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

func pgxFields(err error) *fields {
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		return nil
	}
	return &fields{said.Code, said.Message, said.Detail}
}

func ofPgx() ([]item, error) {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	return []item{
		{"tls", func() error {
			_, err := pgx.Connect(ctx, elsewhere())
			return unverified(err)
		}},
		{"unprepared", func() error {
			var n int
			var two string
			var none *string
			err := c.QueryRow(ctx, "SELECT 1, 'two', NULL", pgx.QueryExecModeSimpleProtocol).Scan(&n, &two, &none)
			return errors.Join(err, check(fmt.Sprintln(n, two, none == nil), "1 two true\n"))
		}},
		{"parameters", func() error { return pgxParameters(c) }},
		{"prepared", func() error {
			if _, err := c.Prepare(ctx, "word", word); err != nil {
				return err
			}
			return pgxWords(c, "word")
		}},
		{"binary", func() error { return pgxBinary(c) }},
		{"server_side_cursor", func() error { return pgxCursor(c) }},
		{"copy_out", func() error {
			var out bytes.Buffer
			_, err := c.PgConn().CopyTo(ctx, &out, "COPY ("+ids+") TO STDOUT")
			return errors.Join(err, check(len(strings.Fields(out.String())), 50))
		}},
		{"copy_in", func() error {
			rows := pgx.CopyFromSlice(1000, func(n int) ([]any, error) { return []any{n, "line"}, nil })
			n, err := c.CopyFrom(ctx, pgx.Identifier{"club", "inbox"}, []string{"n", "word"}, rows)
			return errors.Join(err, check(n, int64(1000)))
		}},
		{"pipeline", func() error { return pgxPipeline(c) }},
		{"notify", func() error {
			if _, err := c.Exec(ctx, "LISTEN club"); err != nil {
				return err
			}
			if _, err := c.Exec(ctx, "NOTIFY club, 'news'"); err != nil {
				return err
			}
			within, stop := soon()
			defer stop()
			heard, err := c.WaitForNotification(within)
			if err != nil {
				return err
			}
			return check(heard.Payload, "news")
		}},
		{"cancel", pgxCancel},
		{"error_in_a_transaction", func() error { return pgxError(c) }},
		{"held", func() error {
			return isHeld(func() (int64, error) {
				tag, err := c.Exec(ctx, held, 3)
				return tag.RowsAffected(), err
			}, pgxFields)
		}},
	}, nil
}

func pgxParameters(c *pgx.Conn) error {
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	for _, mode := range modes {
		var n int
		var text string
		var raw []byte
		var list []int32
		var none *string
		err := c.QueryRow(ctx, "SELECT $1::int + 1, $2::text, $3::bytea, $4::int4[], $5::text", mode,
			41, "it's \\ ☃", []byte{0, 1, 255}, []int32{1, 2}, nil).Scan(&n, &text, &raw, &list, &none)
		if err == nil {
			err = check(fmt.Sprint(n, text, raw, list, none == nil), "42it's \\ ☃[0 1 255] [1 2] true")
		}
		if err != nil {
			return fmt.Errorf("%v: %w", mode, err)
		}
	}
	return pgxWords(c, word)
}

func pgxWords(c *pgx.Conn, statement string) error {
	for n := 1; n <= 10; n++ {
		var got string
		if err := c.QueryRow(ctx, statement, n).Scan(&got); err != nil {
			return err
		}
		if err := check(got, fmt.Sprintf("wörd %d", n)); err != nil {
			return err
		}
	}
	return nil
}

func pgxBinary(c *pgx.Conn) error {
	rows, _ := c.Query(ctx, "SELECT big, bytes FROM club.types WHERE id = 7", pgx.QueryResultFormats{pgx.BinaryFormatCode})
	defer rows.Close()
	if !rows.Next() {
		return rows.Err()
	}
	return check(fmt.Sprintf("%x", rows.RawValues()), "[0000065dd0837000 8f14e45fceea167a5a36dedd4bea2543]")
}

// By SQL: the driver has no other.
func pgxCursor(c *pgx.Conn) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		var got []int
		if _, err := tx.Exec(ctx, "DECLARE club CURSOR FOR "+ids); err != nil {
			return err
		}
		for {
			rows, _ := tx.Query(ctx, "FETCH 7 FROM club")
			some, err := pgx.CollectRows(rows, pgx.RowTo[int])
			if err != nil || len(some) == 0 {
				return errors.Join(err, check(got, count(1, 50)))
			}
			got = append(got, some...)
		}
	})
}

func pgxPipeline(c *pgx.Conn) error {
	var batch pgx.Batch
	for n := range 100 {
		batch.Queue("SELECT $1::int", n)
	}
	results := c.SendBatch(ctx, &batch)
	defer results.Close()
	for n := range 100 {
		var got int
		if err := results.QueryRow().Scan(&got); err != nil {
			return err
		}
		if err := check(got, n); err != nil {
			return err
		}
	}
	return nil
}

// A deadline closes its connection; a handler of cancels keeps it.
func pgxCancel() error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: 5 * time.Second}
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	within, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	_, err = c.Exec(within, "SELECT pg_sleep(30)")
	if err := wantState(err, "57014", pgxFields); err != nil {
		return err
	}
	return pgxWords(c, word)
}

func pgxError(c *pgx.Conn) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, lost)
	_, broken := tx.Exec(ctx, "SELECT 1/0")
	_, aborted := tx.Exec(ctx, "SELECT 1")
	err = errors.Join(err, wantState(broken, "22012", pgxFields), wantState(aborted, "25P02", pgxFields), tx.Rollback(ctx))
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, keeps)
		return err
	})
	rows, _ := c.Query(ctx, kept)
	got, wrong := pgx.CollectRows(rows, pgx.RowTo[string])
	return errors.Join(err, wrong, check(got, []string{"kept"}))
}
