package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

func pqFields(err error) *fields {
	var said *pq.Error
	if !errors.As(err, &said) {
		return nil
	}
	return &fields{string(said.Code), said.Message, said.Detail}
}

func ofPq() ([]item, error) {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	none := func(why string) func() error { return func() error { return notOffered(why) } }
	return []item{
		{"tls", func() error {
			wrong, err := sql.Open("postgres", elsewhere())
			if err != nil {
				return err
			}
			defer wrong.Close()
			return unverified(wrong.Ping())
		}},
		{"unprepared", func() error {
			var n int
			var two string
			var none *string
			err := db.QueryRow("SELECT 1, 'two', NULL").Scan(&n, &two, &none)
			return errors.Join(err, check(fmt.Sprintln(n, two, none == nil), "1 two true\n"))
		}},
		{"parameters", func() error {
			var n int
			var text string
			var raw []byte
			var none *string
			err := db.QueryRow("SELECT $1::int + 1, $2::text, $3::bytea, $4::text", 41, "it's \\ ☃",
				[]byte{0, 1, 255}, nil).Scan(&n, &text, &raw, &none)
			return errors.Join(err, check(fmt.Sprintln(n, text, raw, none == nil), "42 it's \\ ☃ [0 1 255] true\n"))
		}},
		{"prepared", func() error {
			statement, err := db.Prepare(word)
			if err != nil {
				return err
			}
			defer statement.Close()
			for n := 1; n <= 10; n++ {
				var got string
				err := statement.QueryRow(n).Scan(&got)
				if err = errors.Join(err, check(got, fmt.Sprintf("wörd %d", n))); err != nil {
					return err
				}
			}
			return nil
		}},
		{"binary", none("results are always text")},
		{"server_side_cursor", func() error { return pqCursor(db) }},
		{"copy_out", none("no interface")},
		{"copy_in", func() error { return pqCopyIn(db) }},
		{"pipeline", none("no interface")},
		{"notify", pqNotify},
		{"cancel", func() error {
			within, stop := context.WithTimeout(ctx, 300*time.Millisecond)
			defer stop()
			_, err := db.ExecContext(within, "SELECT pg_sleep(30)")
			if !errors.Is(err, context.DeadlineExceeded) {
				if err := wantState(err, "57014", pqFields); err != nil {
					return err
				}
			}
			return db.Ping()
		}},
		{"error_in_a_transaction", func() error { return pqError(db) }},
		{"held", func() error {
			return isHeld(func() (int64, error) {
				result, err := db.Exec(held, 3)
				if err != nil {
					return 0, err
				}
				return result.RowsAffected()
			}, pqFields)
		}},
	}, nil
}

// By SQL: the driver has no other.
func pqCursor(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("DECLARE club CURSOR FOR " + ids); err != nil {
		return err
	}
	var got []int
	for {
		before := len(got)
		rows, err := tx.Query("FETCH 7 FROM club")
		if err != nil {
			return err
		}
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			got = append(got, n)
		}
		if len(got) == before {
			return errors.Join(rows.Err(), tx.Commit(), check(got, count(1, 50)))
		}
	}
}

func pqCopyIn(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	statement, err := tx.Prepare(pq.CopyInSchema("club", "inbox", "n", "word"))
	if err != nil {
		return err
	}
	for n := range 1000 {
		if _, err := statement.Exec(n, "line"); err != nil {
			return err
		}
	}
	if _, err := statement.Exec(); err != nil {
		return err
	}
	if err := errors.Join(statement.Close(), tx.Commit()); err != nil {
		return err
	}
	var sum int
	return errors.Join(db.QueryRow("SELECT sum(n) FROM club.inbox").Scan(&sum), check(sum, 499500))
}

func pqNotify() error {
	listener := pq.NewListener(url, time.Second, time.Second, nil)
	defer listener.Close()
	if err := listener.Listen("club"); err != nil {
		return err
	}
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec("NOTIFY club, 'news'"); err != nil {
		return err
	}
	select {
	case heard := <-listener.Notify:
		return check(heard.Extra, "news")
	case <-time.After(5 * time.Second):
		return errors.New("no notification")
	}
}

func pqError(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	_, err = tx.Exec(lost)
	_, broken := tx.Exec("SELECT 1/0")
	_, aborted := tx.Exec("SELECT 1")
	err = errors.Join(err, wantState(broken, "22012", pqFields), wantState(aborted, "25P02", pqFields), tx.Rollback())
	if err != nil {
		return err
	}
	if tx, err = db.Begin(); err != nil {
		return err
	}
	_, err = tx.Exec(keeps)
	var got string
	return errors.Join(err, tx.Commit(), db.QueryRow(kept).Scan(&got), check(got, "kept"))
}
