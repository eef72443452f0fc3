-- The same rows by hand-written SQL, and loops that time one call each.
CREATE FUNCTION bench.hand_export(schema text) RETURNS text LANGUAGE sql AS $$
SELECT format($q$SELECT json_build_object(
	'subject', (SELECT json_agg(row_to_json(s)) FROM %1$I.subject s WHERE id = $1),
	'orders', (SELECT json_agg(row_to_json(o) ORDER BY id) FROM %1$I.orders o WHERE sid = $1),
	'visits', (SELECT json_agg(row_to_json(v) ORDER BY id) FROM %1$I.visits v WHERE sid = $1),
	'tickets', (SELECT json_agg(row_to_json(t) ORDER BY id) FROM %1$I.tickets t WHERE sid = $1),
	'parcels', (SELECT json_agg(row_to_json(p) ORDER BY id) FROM %1$I.parcels p WHERE sid = $1),
	'items', (SELECT json_agg(row_to_json(i) ORDER BY i.id) FROM %1$I.items i JOIN %1$I.orders o ON o.id = i.order_id WHERE o.sid = $1))$q$, schema)
$$;

-- Times calls of one statement that takes a subject's number; undone by a
-- subtransaction each when it changes rows.  Returns milliseconds a call.
CREATE FUNCTION bench.per_call(sql text, first int, calls int, undo boolean) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz;
	spent interval := '0';
	ignored text;
BEGIN
	FOR i IN first .. first + calls - 1 LOOP
		started := clock_timestamp();
		IF undo THEN
			BEGIN
				EXECUTE sql INTO ignored USING i;
				spent := spent + (clock_timestamp() - started);
				RAISE EXCEPTION USING ERRCODE = 'UNDO1';
			EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
				NULL;
			END;
		ELSE
			EXECUTE sql INTO ignored USING i;
			spent := spent + (clock_timestamp() - started);
		END IF;
	END LOOP;
	RETURN extract(epoch FROM spent) * 1000 / calls;
END $$;
