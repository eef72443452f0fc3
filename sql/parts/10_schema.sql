-- Schema gdpr is a member of the extension and goes with it.  CREATE SCHEMA
-- without IF NOT EXISTS also refuses a schema that somebody planted before.
CREATE SCHEMA gdpr;
COMMENT ON SCHEMA gdpr IS 'what a DBA declares and inspects about personal data';
GRANT USAGE ON SCHEMA gdpr TO PUBLIC;
