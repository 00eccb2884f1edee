-- 10,000 tables with keys, foreign keys and indexes, and 10,000 functions in SQL and PL/pgSQL, spread over 20 schemas;
-- a view for each hundredth table, checks, defaults and triggers here and there.
SET client_min_messages = warning;
DO $$
BEGIN
    FOR s IN 0..19 LOOP
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS app_%s', s);
    END LOOP;
END $$;
CREATE PROCEDURE make_tables(first int, last int) LANGUAGE plpgsql AS $$
DECLARE
    s text;
BEGIN
    FOR i IN first..last LOOP
        s := 'app_' || i % 20;
        EXECUTE format('CREATE TABLE %s.table_%s (id bigserial PRIMARY KEY, name text NOT NULL,'
            ' email text, created_at timestamptz DEFAULT now(), parent_id bigint%s,'
            ' amount numeric(12, 2) CHECK (amount >= 0), status_%s text DEFAULT ''new'','
            ' payload jsonb, updated_at timestamptz)', s, i,
            CASE WHEN i >= 20 THEN format(' REFERENCES %s.table_%s ON DELETE CASCADE', s, i - 20)
                 ELSE '' END, i % 50);
        EXECUTE format('CREATE INDEX ON %s.table_%s (created_at)', s, i);
        EXECUTE format('CREATE UNIQUE INDEX ON %s.table_%s (lower(email)) WHERE email IS NOT NULL',
            s, i);
        IF i % 100 = 0 THEN
            EXECUTE format('CREATE VIEW %s.view_%s AS SELECT id, name, lower(email) AS email'
                ' FROM %s.table_%s WHERE amount > 10', s, i, s, i);
        END IF;
    END LOOP;
END $$;
CREATE PROCEDURE make_functions(first int, last int) LANGUAGE plpgsql AS $$
DECLARE
    s text;
BEGIN
    FOR i IN first..last LOOP
        s := 'app_' || i % 20;
        IF i % 2 = 0 THEN
            EXECUTE format('CREATE FUNCTION %s.count_%s(since timestamptz, state text DEFAULT ''new'')'
                ' RETURNS bigint LANGUAGE sql STABLE AS $f$ SELECT count(*) FROM %s.table_%s t'
                ' WHERE t.created_at > since AND t.status_%s = state AND t.amount > %s $f$',
                s, i, s, i, i % 50, i);
        ELSE
            EXECUTE format('CREATE FUNCTION %s.change_%s(which bigint, new_name text) RETURNS void'
                ' LANGUAGE plpgsql SET search_path = pg_catalog AS $f$' || E'\n' ||
                'DECLARE' || E'\n' || '    n bigint;' || E'\n' || 'BEGIN' || E'\n' ||
                '    -- keeps the name of a row and says when it was changed' || E'\n' ||
                '    UPDATE %s.table_%s SET name = new_name, updated_at = now() WHERE id = which;' ||
                E'\n' || '    GET DIAGNOSTICS n = ROW_COUNT;' || E'\n' ||
                '    IF n = 0 THEN' || E'\n' ||
                '        RAISE EXCEPTION ''there is no row %% in table %s'', which;' || E'\n' ||
                '    END IF;' || E'\n' ||
                '    INSERT INTO %s.table_%s (name) SELECT name FROM %s.table_%s WHERE id = n;' ||
                E'\n' || 'END $f$', s, i, s, i, i, s, (i + 20) % 10000, s, i);
        END IF;
        IF i % 20 = 7 THEN
            EXECUTE format('CREATE FUNCTION %s.touch_%s() RETURNS trigger LANGUAGE plpgsql AS'
                ' $f$ BEGIN NEW.updated_at := now(); RETURN NEW; END $f$', s, i);
            EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON %s.table_%s FOR EACH ROW'
                ' EXECUTE FUNCTION %s.touch_%s()', s, i, s, i);
        END IF;
    END LOOP;
END $$;
