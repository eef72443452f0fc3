-- Personal values pass through the server; test/t/900_canary.pl looks for them
-- in its log.
SET client_min_messages = warning;
CREATE SCHEMA canary;
CREATE TABLE canary.person (
  id text PRIMARY KEY,
  email text NOT NULL
);
INSERT INTO canary.person
  SELECT 'kanarialintu-' || i, 'kanarialintu-' || i || '@example.org' FROM generate_series(1, 3) i;
SELECT * FROM canary.person ORDER BY id;
DROP SCHEMA canary CASCADE;
