-- \set schema and subjects: one subject table, four child tables of ten rows
-- a subject, one grandchild of ten rows a subject.
CREATE SCHEMA :schema;
CREATE TABLE :schema.subject (id int PRIMARY KEY, name text, email text);
CREATE TABLE :schema.orders (id int PRIMARY KEY, sid int NOT NULL REFERENCES :schema.subject ON DELETE CASCADE, note text, at timestamptz);
CREATE TABLE :schema.visits (id int PRIMARY KEY, sid int NOT NULL REFERENCES :schema.subject ON DELETE CASCADE, note text, at timestamptz);
CREATE TABLE :schema.tickets (id int PRIMARY KEY, sid int NOT NULL REFERENCES :schema.subject ON DELETE CASCADE, note text, at timestamptz);
CREATE TABLE :schema.parcels (id int PRIMARY KEY, sid int NOT NULL REFERENCES :schema.subject ON DELETE CASCADE, note text, at timestamptz);
CREATE TABLE :schema.items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES :schema.orders ON DELETE CASCADE, note text);

INSERT INTO :schema.subject SELECT i, 'name ' || i, 'user' || i || '@example.org' FROM generate_series(1, :subjects) i;
INSERT INTO :schema.orders SELECT i, 1 + i % :subjects, md5(i::text), timestamptz '2024-01-01' + i * interval '1 second' FROM generate_series(1, :subjects * 10) i;
INSERT INTO :schema.visits SELECT * FROM :schema.orders;
INSERT INTO :schema.tickets SELECT * FROM :schema.orders;
INSERT INTO :schema.parcels SELECT * FROM :schema.orders;
INSERT INTO :schema.items SELECT id, id, note FROM :schema.orders;
CREATE INDEX ON :schema.orders (sid);
CREATE INDEX ON :schema.visits (sid);
CREATE INDEX ON :schema.tickets (sid);
CREATE INDEX ON :schema.parcels (sid);
CREATE INDEX ON :schema.items (order_id);
VACUUM ANALYZE :schema.subject;
VACUUM ANALYZE :schema.orders;
VACUUM ANALYZE :schema.visits;
VACUUM ANALYZE :schema.tickets;
VACUUM ANALYZE :schema.parcels;
VACUUM ANALYZE :schema.items;

SELECT gdpr.declare_subject(:'schema', (:'schema' || '.subject')::regclass);
SELECT gdpr.approve_map(:'schema');
