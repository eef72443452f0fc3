-- Contexts: making them, who may use them, what is refused.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE ctx_reader;
CREATE ROLE ctx_member IN ROLE ctx_reader;
CREATE ROLE ctx_operator;

-- made, with a key, a tag key of its own, and readers
SELECT gdpr.create_context('ctx_pii', '{ctx_reader}');
SELECT gdpr.create_context(context => 'ctx Crm "x"', options => '{"tag_domain": "ctx_pii"}');
SELECT name, hash, tag_domain FROM gdpr.context WHERE name LIKE 'ctx%' ORDER BY name;
SELECT context, version, status, root_id, length(wrapped) FROM gdpr.context_key
	WHERE context LIKE 'ctx%' ORDER BY 1;
SELECT tag_domain, generation, status, root_id, length(wrapped) FROM gdpr.tag_key
	WHERE tag_domain LIKE 'ctx%' ORDER BY 1;
SELECT context, role, privilege FROM gdpr.context_grant WHERE context LIKE 'ctx%' ORDER BY 1, 2, 3;
SELECT context, version, status, available, tag_available, values_counted FROM gdpr.key_status
	WHERE context LIKE 'ctx%' ORDER BY 1;
-- no two keys are the same
SELECT count(DISTINCT wrapped) = count(*) FROM
	(SELECT wrapped FROM gdpr.context_key UNION ALL SELECT wrapped FROM gdpr.tag_key) k;

-- names and options that are refused
SELECT gdpr.create_context('ctx_pii');
SELECT gdpr.create_context('');
SELECT gdpr.create_context('20261123');
SELECT gdpr.create_context('gdpr');
SELECT gdpr.create_context(NULL);
SELECT gdpr.create_context('ctx_no', '{ctx_nobody}');
SELECT gdpr.create_context('ctx_no', '{NULL}');
SELECT gdpr.create_context('ctx_no', options => '{"tag_domian": "a"}');
SELECT gdpr.create_context('ctx_no', options => '{"tag_domain": 1}');
SELECT gdpr.create_context('ctx_no', options => '{"tag_domain": ""}');
SELECT gdpr.create_context('ctx_no', options => '{"tag_domain": "gdpr"}');
SELECT gdpr.create_context('ctx_no', options => '{"tag_domain": ["a"]}');
SELECT gdpr.create_context('ctx_no', options => '[]');
SELECT gdpr.create_context('ctx_no', options => '"tag_domain"');
SELECT gdpr.create_context('ctx_no', options => NULL);
-- two names with one hash
SELECT gdpr.create_context('ctx_h3792');
SELECT gdpr.create_context('ctx_h74316');
SELECT name, hash FROM gdpr.context WHERE hash = 637949872;
-- a tag domain is joined by declaration, not by a name that happens to be free
SELECT gdpr.create_context('ctx_a', options => '{"tag_domain": "ctx_b"}');
SELECT gdpr.create_context('ctx_b');
SELECT gdpr.create_context('ctx_b', options => '{"tag_domain": "ctx_b"}');
SELECT count(*) FROM gdpr.context WHERE name LIKE 'ctx_no%';

-- a context that was not committed leaves nothing
BEGIN;
SELECT gdpr.create_context('ctx_gone');
SELECT available FROM gdpr.key_status WHERE context = 'ctx_gone';
ROLLBACK;
SELECT count(*) FROM gdpr.key_status WHERE context = 'ctx_gone';
SELECT gdpr.create_context('ctx_gone');
SELECT available FROM gdpr.key_status WHERE context = 'ctx_gone';

-- privileges
SELECT gdpr.grant_context('ctx_pii', 'ctx_member', 'write');
SELECT gdpr.grant_context('ctx_pii', 'ctx_member', 'write');
SELECT gdpr.grant_context('ctx_pii', 'ctx_member', 'search');
SELECT gdpr.grant_context('ctx_pii', 'ctx_member', 'own');
SELECT gdpr.grant_context('ctx_pii', 'ctx_member', NULL);
SELECT gdpr.grant_context('ctx_pii', 'ctx_nobody');
SELECT gdpr.grant_context('ctx_nothing', 'ctx_member');
SELECT gdpr.grant_context('gdpr', 'ctx_member');
SELECT role, privilege FROM gdpr.context_grant WHERE context = 'ctx_pii' ORDER BY 1, 2;
SELECT gdpr.revoke_context('ctx_pii', 'ctx_member', 'search');
SELECT gdpr.revoke_context('ctx_pii', 'ctx_reader');
SELECT gdpr.revoke_context('ctx_pii', 'ctx_nobody');
SELECT gdpr.revoke_context('ctx_pii', 'ctx_member', 'own');
SELECT gdpr.revoke_context('ctx_nothing', 'ctx_member');
SELECT role, privilege FROM gdpr.context_grant WHERE context = 'ctx_pii' ORDER BY 1, 2;

-- a grant to a role that is dropped later grants nothing and can be taken back
CREATE ROLE ctx_leaver;
SELECT gdpr.grant_context('ctx_pii', 'ctx_leaver');
DROP ROLE ctx_leaver;
SELECT available FROM gdpr.key_status WHERE context = 'ctx_pii';
SELECT gdpr.revoke_context('ctx_pii', 'ctx_leaver');

-- nobody else may call or look; EXECUTE is what lets an operator
SET ROLE ctx_operator;
SELECT gdpr.create_context('ctx_op');
SELECT gdpr.grant_context('ctx_pii', 'ctx_operator');
SELECT gdpr.revoke_context('ctx_pii', 'ctx_reader');
SELECT * FROM gdpr.key_fingerprint();
SELECT * FROM gdpr.key_state('ctx_pii', 1::smallint);
SELECT * FROM gdpr.key_status;
SELECT * FROM gdpr.context;
SELECT wrapped FROM gdpr.context_key;
SELECT wrapped FROM gdpr.tag_key;
SELECT * FROM gdpr.context_grant;
INSERT INTO gdpr.context_grant VALUES ('ctx_pii', 'ctx_operator', 'read');
CREATE TEMP TABLE ctx_mine (name name);
CREATE TRIGGER t AFTER INSERT ON ctx_mine FOR EACH STATEMENT EXECUTE FUNCTION gdpr.context_changed();
DROP TABLE ctx_mine;
RESET ROLE;
GRANT EXECUTE ON FUNCTION gdpr.create_context(name, name[], jsonb) TO ctx_operator;
SET ROLE ctx_operator;
SELECT gdpr.create_context('ctx_op', '{ctx_operator}');
SELECT * FROM gdpr.context;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION gdpr.create_context(name, name[], jsonb) FROM ctx_operator;
SELECT tableowner = (SELECT nspowner::regrole::name FROM pg_namespace WHERE nspname = 'gdpr')
	FROM pg_tables WHERE schemaname = 'gdpr' AND tablename = 'context';
-- the sequences that count nonces are the extension's and go with it
SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
	WHERE d.deptype = 'x' AND c.relname LIKE 'nonce\_%' AND c.relnamespace = 'gdpr'::regnamespace
	AND c.relowner = (SELECT nspowner FROM pg_namespace WHERE nspname = 'gdpr')
	AND c.relname IN (SELECT format('nonce_%s_1', lpad(to_hex(hash), 8, '0')) FROM gdpr.context WHERE name LIKE 'ctx%');

-- no transaction that may not write makes one
BEGIN READ ONLY;
SELECT gdpr.create_context('ctx_ro');
ROLLBACK;

-- the fingerprint tells which key, in 16 hexadecimal digits
SELECT root_id, fingerprint ~ '^[0-9a-f]{16}$' AS form, is_primary FROM gdpr.key_fingerprint();

DROP ROLE ctx_member, ctx_reader, ctx_operator;
