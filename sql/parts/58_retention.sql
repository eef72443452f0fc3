-- Storage limitation (Article 5(1)(e)): rules of retention, legal holds, and
-- what follows when the law needs a kept row no longer.

CREATE SEQUENCE gdpr.retention_rule_number;
COMMENT ON SEQUENCE gdpr.retention_rule_number IS 'numbers of rules of retention';
REVOKE ALL ON SEQUENCE gdpr.retention_rule_number FROM PUBLIC;

CREATE TABLE gdpr.retention_rule (
	rule bigint PRIMARY KEY,
	relation regclass NOT NULL,
	keep interval NOT NULL,
	since name NOT NULL,
	action text NOT NULL CHECK (action IN ('anonymise', 'delete')),
	filter text,
	kind name,
	batch_size integer NOT NULL,
	every interval NOT NULL,
	runs_as name NOT NULL,
	declared_by name NOT NULL DEFAULT SESSION_USER,
	declared_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	approved_hash text,
	approved_by name,
	approved_at timestamptz
);
COMMENT ON TABLE gdpr.retention_rule IS 'rules of retention; made by gdpr.set_retention, run only when approved';
COMMENT ON COLUMN gdpr.retention_rule.runs_as IS 'the role whose rights the rule has: the owner of the relation';
COMMENT ON COLUMN gdpr.retention_rule.kind IS 'the kind in whose map the relation is; null for a relation of no map';
COMMENT ON COLUMN gdpr.retention_rule.approved_hash IS 'what was approved: definition, columns and masks, map';

CREATE TABLE gdpr.retention_state (
	rule bigint PRIMARY KEY,
	done bigint NOT NULL DEFAULT 0,
	failures integer NOT NULL DEFAULT 0,
	running_since timestamptz,
	last_run timestamptz,
	last_success timestamptz,
	last_error text,
	next_run timestamptz
);
COMMENT ON TABLE gdpr.retention_state IS 'how far each rule has come; done counts rows, in the transaction that changes them';
COMMENT ON COLUMN gdpr.retention_state.last_error IS 'of the last run; names of objects and SQLSTATEs, no values';

CREATE SEQUENCE gdpr.hold_number;
COMMENT ON SEQUENCE gdpr.hold_number IS 'numbers of legal holds';
REVOKE ALL ON SEQUENCE gdpr.hold_number FROM PUBLIC;

CREATE TABLE gdpr.hold (
	id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('gdpr.hold_number'),
	kind name,
	pseudonym bytea CHECK (pg_catalog.octet_length(pseudonym) = 16),
	subject bytea,
	relation regclass,
	filter text,
	reason text,
	until timestamptz,
	placed_by name NOT NULL DEFAULT SESSION_USER,
	placed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	released_by name,
	released_at timestamptz,
	CHECK ((kind IS NULL) = (pseudonym IS NULL) AND (kind IS NULL) = (subject IS NULL)
		AND (kind IS NULL) <> (relation IS NULL))
);
COMMENT ON TABLE gdpr.hold IS 'legal holds: persons, or rows of a relation, that nobody may erase for now';
COMMENT ON COLUMN gdpr.hold.subject IS 'the person''s key, sealed: retention has to find the rows';
COMMENT ON COLUMN gdpr.hold.reason IS 'the caller''s words; must hold no personal data';

CREATE TABLE gdpr.kept_subject (
	kind name,
	pseudonym bytea CHECK (pg_catalog.octet_length(pseudonym) = 16),
	subject bytea NOT NULL,
	due date NOT NULL,
	forgotten_by name NOT NULL,
	failures integer NOT NULL DEFAULT 0,
	last_error text,
	next_run timestamptz,
	PRIMARY KEY (kind, pseudonym)
);
CREATE INDEX kept_subject_due ON gdpr.kept_subject (due);
COMMENT ON TABLE gdpr.kept_subject IS 'forgotten persons of whom the law keeps rows, and the first day on which one may go';
COMMENT ON COLUMN gdpr.kept_subject.subject IS 'the person''s key, sealed: the ledger knows a pseudonym only';
COMMENT ON COLUMN gdpr.kept_subject.forgotten_by IS 'with whose rights the erasure goes on';
COMMENT ON INDEX gdpr.kept_subject_due IS 'whose day has come';

REVOKE ALL ON gdpr.retention_rule, gdpr.retention_state, gdpr.hold, gdpr.kept_subject FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.retention_rule_number', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.retention_rule', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.retention_state', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.hold_number', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.hold', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.kept_subject', '');

CREATE FUNCTION gdpr.set_retention(relation regclass, keep interval, since name,
		action text DEFAULT 'anonymise', options jsonb DEFAULT '{}')
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_set_retention';
COMMENT ON FUNCTION gdpr.set_retention(regclass, interval, name, text, jsonb) IS 'a rule: rows older than keep, by the column since, are anonymised or deleted; runs once approved; returns its number';
REVOKE ALL ON FUNCTION gdpr.set_retention(regclass, interval, name, text, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.drop_retention(rule bigint)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_drop_retention';
COMMENT ON FUNCTION gdpr.drop_retention(bigint) IS 'takes a rule of retention back';
REVOKE ALL ON FUNCTION gdpr.drop_retention(bigint) FROM PUBLIC;

CREATE FUNCTION gdpr.retention_plan(rule bigint,
		OUT relation regclass, OUT action text, OUT rows bigint, OUT hash text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_retention_plan';
COMMENT ON FUNCTION gdpr.retention_plan(bigint) IS 'what a rule would do now, and the hash of its definition to approve; changes nothing';
REVOKE ALL ON FUNCTION gdpr.retention_plan(bigint) FROM PUBLIC;

CREATE FUNCTION gdpr.approve_retention(rule bigint, plan_hash text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_approve_retention';
COMMENT ON FUNCTION gdpr.approve_retention(bigint, text) IS 'a person''s yes to a rule as retention_plan showed it; the worker then runs it';
REVOKE ALL ON FUNCTION gdpr.approve_retention(bigint, text) FROM PUBLIC;

CREATE PROCEDURE gdpr.run_retention(relation regclass DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'gdpr_run_retention';
COMMENT ON PROCEDURE gdpr.run_retention(regclass) IS 'runs the approved rules now, all or those of a relation, each batch in its own transaction';
REVOKE ALL ON PROCEDURE gdpr.run_retention(regclass) FROM PUBLIC;

CREATE FUNCTION gdpr.retention_due(rule bigint)
	RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_retention_due';
COMMENT ON FUNCTION gdpr.retention_due(bigint) IS 'rows that a rule would change now; null for a reader who may not select from the relation';
REVOKE ALL ON FUNCTION gdpr.retention_due(bigint) FROM PUBLIC;

CREATE VIEW gdpr.retention_status AS
	SELECT r.rule, r.relation, r.action, r.keep, r.since, r.approved_hash IS NOT NULL AS approved,
		gdpr.retention_due(r.rule) AS due, s.done, s.last_run, s.last_success, s.last_error, s.next_run
	FROM gdpr.retention_rule r
		LEFT JOIN gdpr.retention_state s ON s.rule OPERATOR(pg_catalog.=) r.rule
	UNION ALL
	SELECT NULL, u.relation, 'after keeping', NULL, NULL, true,
		pg_catalog.count(*) FILTER (WHERE k.due OPERATOR(pg_catalog.<=) CURRENT_DATE), NULL, NULL, NULL,
		pg_catalog.max(k.last_error),
		pg_catalog.min(coalesce(k.next_run, k.due::timestamptz))
	FROM gdpr.kept_subject k
		LEFT JOIN gdpr.subject u ON u.kind OPERATOR(pg_catalog.=) k.kind
	GROUP BY k.kind, u.relation;
COMMENT ON VIEW gdpr.retention_status IS 'each rule: what is due, done, when it ran last and runs next; kept rows of forgotten persons on a line without a rule, due counting persons';
REVOKE ALL ON gdpr.retention_status FROM PUBLIC;

CREATE FUNCTION gdpr.hold_subject(subject text, kind name DEFAULT NULL, reason text DEFAULT NULL, until timestamptz DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_hold_subject';
COMMENT ON FUNCTION gdpr.hold_subject(text, name, text, timestamptz) IS 'a legal hold: nothing of the person is erased until it is released or over; returns its number; the reason must hold no personal data';
REVOKE ALL ON FUNCTION gdpr.hold_subject(text, name, text, timestamptz) FROM PUBLIC;

CREATE FUNCTION gdpr.hold_relation(relation regclass, reason text DEFAULT NULL, until timestamptz DEFAULT NULL, options jsonb DEFAULT '{}')
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_hold_relation';
COMMENT ON FUNCTION gdpr.hold_relation(regclass, text, timestamptz, jsonb) IS 'a legal hold on rows of a relation, all or those of the option filter; returns its number';
REVOKE ALL ON FUNCTION gdpr.hold_relation(regclass, text, timestamptz, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.release_hold(hold bigint)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_release_hold';
COMMENT ON FUNCTION gdpr.release_hold(bigint) IS 'ends a legal hold';
REVOKE ALL ON FUNCTION gdpr.release_hold(bigint) FROM PUBLIC;
