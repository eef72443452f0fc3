-- \set rows: three tables of six columns, about 90 bytes a row: plain, recorded by us, recorded by a PL/pgSQL trigger.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE TABLE bench.plain AS
SELECT i AS id, 'name ' || i AS name, 'user' || i || '@example.org' AS email, '+44 7700 900000' AS phone, i % 100 AS score, timestamptz '2024-01-01' AS seen
FROM generate_series(1, :rows) i;
CREATE TABLE bench.ours AS TABLE bench.plain;
CREATE TABLE bench.peer AS TABLE bench.plain;
ALTER TABLE bench.plain ADD PRIMARY KEY (id);
ALTER TABLE bench.ours ADD PRIMARY KEY (id);
ALTER TABLE bench.peer ADD PRIMARY KEY (id);
SELECT gdpr.protect('bench.ours');
CREATE TABLE bench.peer_log (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), who name DEFAULT current_user, relation name, op text, old jsonb, new jsonb);
CREATE FUNCTION bench.peer_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO bench.peer_log (relation, op, old, new) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
	RETURN NULL;
END $$;
CREATE TRIGGER peer AFTER UPDATE ON bench.peer FOR EACH ROW EXECUTE FUNCTION bench.peer_record();
VACUUM ANALYZE bench.plain;
VACUUM ANALYZE bench.ours;
VACUUM ANALYZE bench.peer;
