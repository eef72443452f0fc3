-- A context's end: retired, destroyed, and with the last of a tag domain its tag key.
\set SHOW_CONTEXT never
CREATE SCHEMA ce;
SET search_path = ce, public;
SELECT gdpr.create_context('ce_old'), gdpr.create_context('ce_same', options => '{"tag_domain": "ce_old"}'), gdpr.create_context('ce_new');
SELECT gdpr.grant_context(c, current_user, p) FROM unnest('{ce_old,ce_same,ce_new}'::text[]) c, unnest('{read,write}'::text[]) p;
CREATE TABLE ce.t (id int PRIMARY KEY, a enctext('ce_old'), list enctext('ce_same')[]);
INSERT INTO ce.t VALUES (1, 'one', ARRAY['three']::enctext('ce_same')[]);
-- Temporary tables may have columns of no context.
CREATE TEMP TABLE loose (id int, e enctext);
INSERT INTO loose VALUES (1, 'two'::enctext('ce_same'));
CREATE DOMAIN ce.mail AS enctext('ce_same');

-- What columns belong to is not retired.
SELECT gdpr.retire_context('ce_old');
SELECT gdpr.retire_context('ce_same');
ALTER TABLE ce.t DROP COLUMN list;
SELECT gdpr.retire_context('ce_same');
DROP DOMAIN ce.mail;
SELECT gdpr.retire_context('ce_same');
SELECT gdpr.retire_context('ce_same');
-- It takes no new values, what is there is read, and it can be taken back.
INSERT INTO loose VALUES (2, 'four'::enctext('ce_same'));
SELECT e::text FROM loose;
SELECT gdpr.rotate_context('ce_same');
INSERT INTO loose VALUES (2, 'four'::enctext('ce_same'));
SELECT gdpr.destroy_context('ce_same');
-- Not in the transaction that retires it.
BEGIN;
SELECT gdpr.retire_context('ce_same');
SELECT gdpr.destroy_context('ce_same');
ROLLBACK;
SELECT gdpr.retire_context('ce_same');
-- Values of any version are found, also in a column of no context.
SELECT gdpr.destroy_context('ce_same');
SELECT gdpr.destroy_context('ce_same', '{"loose_values": true}');
DELETE FROM loose WHERE id = 2;
SELECT gdpr.destroy_context('ce_same');
DELETE FROM loose;
SELECT gdpr.destroy_context('ce_same');
SELECT version, status, available, tag_available FROM gdpr.key_status WHERE context = 'ce_same' ORDER BY 1;
SELECT count(*) FROM gdpr.context_grant WHERE context = 'ce_same';
-- The tag key is needed by the domain's other context.
SELECT generation, status, wrapped IS NULL AS gone FROM gdpr.tag_key WHERE tag_domain = 'ce_old';
SELECT count(*) FROM ce.t WHERE a = 'one';

-- The last one of the domain; its values are lost when that is said.
INSERT INTO loose SELECT id, a FROM ce.t;
ALTER TABLE ce.t DROP COLUMN a;
SELECT gdpr.retire_context('ce_old');
SELECT gdpr.destroy_context('ce_old');
SELECT gdpr.destroy_context('ce_old', '{"lose_values": true}');
SELECT generation, status, wrapped IS NULL AS gone, root_id FROM gdpr.tag_key WHERE tag_domain = 'ce_old';
SELECT action, kind, name, version FROM gdpr.key_event WHERE name IN ('ce_old', 'ce_same') AND action IN ('retire', 'destroy') ORDER BY happened_at;
SELECT e::text FROM loose;
SELECT gdpr.destroy_context('ce_old');
SELECT gdpr.rotate_context('ce_old');
SELECT gdpr.retire_context('ce_old');
SELECT gdpr.create_context('ce_old');
-- Its tags are nobody's any more, and a new context of the domain has another key.
SELECT e = 'one' FROM loose;
SELECT gdpr.create_context('ce_again', options => '{"tag_domain": "ce_old"}');
SELECT generation, status FROM gdpr.tag_key WHERE tag_domain = 'ce_old' ORDER BY 1;
SELECT gdpr.grant_context('ce_again', current_user, 'read');
CREATE TABLE ce.u (a enctext('ce_again'));
INSERT INTO ce.u VALUES ('one');
SELECT count(*) FROM ce.u WHERE a = 'one';
SELECT count(*) FROM loose JOIN ce.u ON a = e;
SELECT gdpr.rotate_context('ce_same');

-- Names that are none, and roles that may not.
SELECT gdpr.retire_context('ce_none');
SELECT gdpr.destroy_context('ce_none');
SELECT gdpr.retire_context('gdpr');
CREATE ROLE ce_plain;
SET ROLE ce_plain;
SELECT gdpr.retire_context('ce_new');
SELECT gdpr.destroy_context('ce_new');
RESET ROLE;
DROP ROLE ce_plain;
DROP TABLE loose;
DROP SCHEMA ce CASCADE;
