-- The encrypted types.  The types and their =, <> and || live in the target
-- schema, so that a search_path that finds the type finds them too; what
-- supports them lives in schema gdpr.
--
-- Input, receive and casts are STABLE: they depend on keys, on the current
-- user and on the moment (a nonce), but an index scan may still use them.
-- PUBLIC keeps EXECUTE on all of this: the contexts' privileges decide.

CREATE TYPE @extschema@.enctext;
CREATE TYPE @extschema@.encsecret;

CREATE FUNCTION gdpr.enctype_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_enctype_typmod_in'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctype_typmod_in(cstring[]) IS
	'type modifier of encrypted types: the context, by name';
CREATE FUNCTION gdpr.enctype_typmod_out(integer) RETURNS cstring
	AS 'MODULE_PATHNAME', 'gdpr_enctype_typmod_out'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctype_typmod_out(integer) IS
	'type modifier of encrypted types as text';
CREATE FUNCTION gdpr.enctype_typanalyze(internal) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_typanalyze'
	LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION gdpr.enctype_typanalyze(internal) IS
	'statistics of encrypted columns: nulls, width and distinct values only';

CREATE FUNCTION gdpr.enctext_in(cstring, oid, integer) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_in'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_in(cstring, oid, integer) IS
	'input of enctext';
CREATE FUNCTION gdpr.enctext_out(@extschema@.enctext) RETURNS cstring
	AS 'MODULE_PATHNAME', 'gdpr_enctype_out'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_out(@extschema@.enctext) IS
	'output of enctext';
CREATE FUNCTION gdpr.enctext_recv(internal, oid, integer) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_recv'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_recv(internal, oid, integer) IS
	'binary input of enctext';
CREATE FUNCTION gdpr.enctext_send(@extschema@.enctext) RETURNS bytea
	AS 'MODULE_PATHNAME', 'gdpr_enctype_send'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_send(@extschema@.enctext) IS
	'binary output of enctext';

CREATE FUNCTION gdpr.encsecret_in(cstring, oid, integer) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_in'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_in(cstring, oid, integer) IS
	'input of encsecret';
CREATE FUNCTION gdpr.encsecret_out(@extschema@.encsecret) RETURNS cstring
	AS 'MODULE_PATHNAME', 'gdpr_enctype_out'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_out(@extschema@.encsecret) IS
	'output of encsecret';
CREATE FUNCTION gdpr.encsecret_recv(internal, oid, integer) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_recv'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_recv(internal, oid, integer) IS
	'binary input of encsecret';
CREATE FUNCTION gdpr.encsecret_send(@extschema@.encsecret) RETURNS bytea
	AS 'MODULE_PATHNAME', 'gdpr_enctype_send'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_send(@extschema@.encsecret) IS
	'binary output of encsecret';

CREATE TYPE @extschema@.enctext (
	INPUT = gdpr.enctext_in,
	OUTPUT = gdpr.enctext_out,
	RECEIVE = gdpr.enctext_recv,
	SEND = gdpr.enctext_send,
	TYPMOD_IN = gdpr.enctype_typmod_in,
	TYPMOD_OUT = gdpr.enctype_typmod_out,
	ANALYZE = gdpr.enctype_typanalyze,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = external
);
COMMENT ON TYPE @extschema@.enctext IS 'encrypted text that can be searched for exactly';

CREATE TYPE @extschema@.encsecret (
	INPUT = gdpr.encsecret_in,
	OUTPUT = gdpr.encsecret_out,
	RECEIVE = gdpr.encsecret_recv,
	SEND = gdpr.encsecret_send,
	TYPMOD_IN = gdpr.enctype_typmod_in,
	TYPMOD_OUT = gdpr.enctype_typmod_out,
	ANALYZE = gdpr.enctype_typanalyze,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = external
);
COMMENT ON TYPE @extschema@.encsecret IS 'encrypted text without any comparison';

-- Statistics of arrays would keep their most common elements.  ALTER TYPE
-- does not take array types.
UPDATE pg_catalog.pg_type
	SET typanalyze = 'gdpr.enctype_typanalyze'::pg_catalog.regproc
	WHERE oid IN ('@extschema@.enctext[]'::pg_catalog.regtype,
		          '@extschema@.encsecret[]'::pg_catalog.regtype);

-- Casts.  Into a type on assignment, out of it only when asked for: PostgreSQL
-- would otherwise supply conversions to every string type by itself.

CREATE FUNCTION gdpr.enctext_coerce(@extschema@.enctext, integer, boolean) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_coerce(@extschema@.enctext, integer, boolean) IS
	'enctext of a context';
CREATE CAST (@extschema@.enctext AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_coerce(@extschema@.enctext, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (@extschema@.enctext AS @extschema@.enctext) IS 'moves a value into the context of its column';

CREATE FUNCTION gdpr.enctext_from_text(text, integer, boolean) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_from_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_from_text(text, integer, boolean) IS
	'enctext from text';
CREATE FUNCTION gdpr.enctext_from_bpchar(character, integer, boolean) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_from_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_from_bpchar(character, integer, boolean) IS
	'enctext from bpchar';
CREATE FUNCTION gdpr.enctext_from_name(name, integer, boolean) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_from_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_from_name(name, integer, boolean) IS
	'enctext from name';
CREATE CAST (text AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (text AS @extschema@.enctext) IS 'encrypts';
CREATE CAST (character varying AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character varying AS @extschema@.enctext) IS 'encrypts';
CREATE CAST (character AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_from_bpchar(character, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character AS @extschema@.enctext) IS 'encrypts';
CREATE CAST (name AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_from_name(name, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (name AS @extschema@.enctext) IS 'encrypts';

CREATE FUNCTION gdpr.enctext_to_text(@extschema@.enctext) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_text(@extschema@.enctext) IS
	'plaintext of enctext';
CREATE FUNCTION gdpr.enctext_to_varchar(@extschema@.enctext, integer, boolean) RETURNS character varying
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_varchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_varchar(@extschema@.enctext, integer, boolean) IS
	'plaintext of enctext';
CREATE FUNCTION gdpr.enctext_to_bpchar(@extschema@.enctext, integer, boolean) RETURNS character
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_bpchar(@extschema@.enctext, integer, boolean) IS
	'plaintext of enctext';
CREATE FUNCTION gdpr.enctext_to_name(@extschema@.enctext) RETURNS name
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_name(@extschema@.enctext) IS
	'plaintext of enctext';
CREATE FUNCTION gdpr.enctext_to_json(@extschema@.enctext) RETURNS json
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_json'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_json(@extschema@.enctext) IS
	'plaintext of enctext as a json string';
CREATE FUNCTION gdpr.enctext_to_jsonb(@extschema@.enctext) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_jsonb'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_to_jsonb(@extschema@.enctext) IS
	'plaintext of enctext as a jsonb string';
CREATE CAST (@extschema@.enctext AS text)
	WITH FUNCTION gdpr.enctext_to_text(@extschema@.enctext);
COMMENT ON CAST (@extschema@.enctext AS text) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.enctext AS character varying)
	WITH FUNCTION gdpr.enctext_to_varchar(@extschema@.enctext, integer, boolean);
COMMENT ON CAST (@extschema@.enctext AS character varying) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.enctext AS character)
	WITH FUNCTION gdpr.enctext_to_bpchar(@extschema@.enctext, integer, boolean);
COMMENT ON CAST (@extschema@.enctext AS character) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.enctext AS name)
	WITH FUNCTION gdpr.enctext_to_name(@extschema@.enctext);
COMMENT ON CAST (@extschema@.enctext AS name) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.enctext AS json)
	WITH FUNCTION gdpr.enctext_to_json(@extschema@.enctext);
COMMENT ON CAST (@extschema@.enctext AS json) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.enctext AS jsonb)
	WITH FUNCTION gdpr.enctext_to_jsonb(@extschema@.enctext);
COMMENT ON CAST (@extschema@.enctext AS jsonb) IS 'decrypts; needs the read privilege on the context';

CREATE FUNCTION gdpr.encsecret_coerce(@extschema@.encsecret, integer, boolean) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_coerce(@extschema@.encsecret, integer, boolean) IS
	'encsecret of a context';
CREATE CAST (@extschema@.encsecret AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_coerce(@extschema@.encsecret, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (@extschema@.encsecret AS @extschema@.encsecret) IS 'moves a value into the context of its column';

CREATE FUNCTION gdpr.encsecret_from_text(text, integer, boolean) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_from_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_from_text(text, integer, boolean) IS
	'encsecret from text';
CREATE FUNCTION gdpr.encsecret_from_bpchar(character, integer, boolean) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_from_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_from_bpchar(character, integer, boolean) IS
	'encsecret from bpchar';
CREATE FUNCTION gdpr.encsecret_from_name(name, integer, boolean) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_from_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_from_name(name, integer, boolean) IS
	'encsecret from name';
CREATE CAST (text AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (text AS @extschema@.encsecret) IS 'encrypts';
CREATE CAST (character varying AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character varying AS @extschema@.encsecret) IS 'encrypts';
CREATE CAST (character AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_from_bpchar(character, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character AS @extschema@.encsecret) IS 'encrypts';
CREATE CAST (name AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_from_name(name, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (name AS @extschema@.encsecret) IS 'encrypts';

CREATE FUNCTION gdpr.encsecret_to_text(@extschema@.encsecret) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_text(@extschema@.encsecret) IS
	'plaintext of encsecret';
CREATE FUNCTION gdpr.encsecret_to_varchar(@extschema@.encsecret, integer, boolean) RETURNS character varying
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_varchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_varchar(@extschema@.encsecret, integer, boolean) IS
	'plaintext of encsecret';
CREATE FUNCTION gdpr.encsecret_to_bpchar(@extschema@.encsecret, integer, boolean) RETURNS character
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_bpchar(@extschema@.encsecret, integer, boolean) IS
	'plaintext of encsecret';
CREATE FUNCTION gdpr.encsecret_to_name(@extschema@.encsecret) RETURNS name
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_name(@extschema@.encsecret) IS
	'plaintext of encsecret';
CREATE FUNCTION gdpr.encsecret_to_json(@extschema@.encsecret) RETURNS json
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_json'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_json(@extschema@.encsecret) IS
	'plaintext of encsecret as a json string';
CREATE FUNCTION gdpr.encsecret_to_jsonb(@extschema@.encsecret) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_jsonb'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_to_jsonb(@extschema@.encsecret) IS
	'plaintext of encsecret as a jsonb string';
CREATE CAST (@extschema@.encsecret AS text)
	WITH FUNCTION gdpr.encsecret_to_text(@extschema@.encsecret);
COMMENT ON CAST (@extschema@.encsecret AS text) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.encsecret AS character varying)
	WITH FUNCTION gdpr.encsecret_to_varchar(@extschema@.encsecret, integer, boolean);
COMMENT ON CAST (@extschema@.encsecret AS character varying) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.encsecret AS character)
	WITH FUNCTION gdpr.encsecret_to_bpchar(@extschema@.encsecret, integer, boolean);
COMMENT ON CAST (@extschema@.encsecret AS character) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.encsecret AS name)
	WITH FUNCTION gdpr.encsecret_to_name(@extschema@.encsecret);
COMMENT ON CAST (@extschema@.encsecret AS name) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.encsecret AS json)
	WITH FUNCTION gdpr.encsecret_to_json(@extschema@.encsecret);
COMMENT ON CAST (@extschema@.encsecret AS json) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.encsecret AS jsonb)
	WITH FUNCTION gdpr.encsecret_to_jsonb(@extschema@.encsecret);
COMMENT ON CAST (@extschema@.encsecret AS jsonb) IS 'decrypts; needs the read privilege on the context';

CREATE FUNCTION gdpr.enctext_from_encsecret(@extschema@.encsecret, integer, boolean) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_from_encsecret(@extschema@.encsecret, integer, boolean) IS
	'enctext from encsecret';
CREATE FUNCTION gdpr.encsecret_from_enctext(@extschema@.enctext, integer, boolean) RETURNS @extschema@.encsecret
	AS 'MODULE_PATHNAME', 'gdpr_encsecret_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_from_enctext(@extschema@.enctext, integer, boolean) IS
	'encsecret from enctext';
CREATE CAST (@extschema@.encsecret AS @extschema@.enctext)
	WITH FUNCTION gdpr.enctext_from_encsecret(@extschema@.encsecret, integer, boolean);
COMMENT ON CAST (@extschema@.encsecret AS @extschema@.enctext) IS
	'encrypts anew; needs the read privilege on the source';
CREATE CAST (@extschema@.enctext AS @extschema@.encsecret)
	WITH FUNCTION gdpr.encsecret_from_enctext(@extschema@.enctext, integer, boolean);
COMMENT ON CAST (@extschema@.enctext AS @extschema@.encsecret) IS
	'encrypts anew; needs the read privilege on the source';

-- Arrays: without these PostgreSQL would turn one into text on assignment.
CREATE CAST (@extschema@.enctext[] AS text) WITH INOUT;
COMMENT ON CAST (@extschema@.enctext[] AS text) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.enctext[] AS character varying) WITH INOUT;
COMMENT ON CAST (@extschema@.enctext[] AS character varying) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.enctext[] AS character) WITH INOUT;
COMMENT ON CAST (@extschema@.enctext[] AS character) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.enctext[] AS name) WITH INOUT;
COMMENT ON CAST (@extschema@.enctext[] AS name) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.encsecret[] AS text) WITH INOUT;
COMMENT ON CAST (@extschema@.encsecret[] AS text) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.encsecret[] AS character varying) WITH INOUT;
COMMENT ON CAST (@extschema@.encsecret[] AS character varying) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.encsecret[] AS character) WITH INOUT;
COMMENT ON CAST (@extschema@.encsecret[] AS character) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.encsecret[] AS name) WITH INOUT;
COMMENT ON CAST (@extschema@.encsecret[] AS name) IS
	'the array as its output shows it to the current user; only when asked for';

-- Concatenation decrypts under the rule of the casts.

CREATE FUNCTION gdpr.enctext_cat_text(@extschema@.enctext, text) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_cat_text(@extschema@.enctext, text) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.enctext, RIGHTARG = text, FUNCTION = gdpr.enctext_cat_text
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.enctext, text) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.text_cat_enctext(text, @extschema@.enctext) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_text_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_cat_enctext(text, @extschema@.enctext) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = text, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.text_cat_enctext
);
COMMENT ON OPERATOR @extschema@.|| (text, @extschema@.enctext) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.enctext_cat_enctext(@extschema@.enctext, @extschema@.enctext) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_cat_enctext(@extschema@.enctext, @extschema@.enctext) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_cat_enctext
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.enctext, @extschema@.enctext) IS 'concatenate; needs the read privilege on the context';

CREATE FUNCTION gdpr.encsecret_cat_text(@extschema@.encsecret, text) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_cat_text(@extschema@.encsecret, text) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.encsecret, RIGHTARG = text, FUNCTION = gdpr.encsecret_cat_text
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.encsecret, text) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.text_cat_encsecret(text, @extschema@.encsecret) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_text_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_cat_encsecret(text, @extschema@.encsecret) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = text, RIGHTARG = @extschema@.encsecret, FUNCTION = gdpr.text_cat_encsecret
);
COMMENT ON OPERATOR @extschema@.|| (text, @extschema@.encsecret) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.encsecret_cat_encsecret(@extschema@.encsecret, @extschema@.encsecret) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encsecret_cat_encsecret(@extschema@.encsecret, @extschema@.encsecret) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.encsecret, RIGHTARG = @extschema@.encsecret, FUNCTION = gdpr.encsecret_cat_encsecret
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.encsecret, @extschema@.encsecret) IS 'concatenate; needs the read privilege on the context';

-- Equality.  STABLE, not IMMUTABLE: beside a literal that no context owns the
-- result depends on keys and on the right to search, and must not be folded
-- into a plan.  LEAKPROOF: the only errors are 42501 and PD006 (and, for a
-- context that is gone, 42704), which tell nothing of a row.

CREATE FUNCTION gdpr.enctext_eq(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_eq'
	LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_eq(@extschema@.enctext, @extschema@.enctext) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.enctext_ne(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_ne'
	LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_ne(@extschema@.enctext, @extschema@.enctext) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_eq,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR @extschema@.= (@extschema@.enctext, @extschema@.enctext) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_ne,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (@extschema@.enctext, @extschema@.enctext) IS 'not equal';

CREATE FUNCTION gdpr.enctext_eq_text(@extschema@.enctext, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_eq_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_eq_text(@extschema@.enctext, text) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.enctext_ne_text(@extschema@.enctext, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_ne_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_ne_text(@extschema@.enctext, text) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = @extschema@.enctext, RIGHTARG = text, FUNCTION = gdpr.enctext_eq_text,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR @extschema@.= (@extschema@.enctext, text) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = @extschema@.enctext, RIGHTARG = text, FUNCTION = gdpr.enctext_ne_text,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (@extschema@.enctext, text) IS 'not equal';

CREATE FUNCTION gdpr.text_eq_enctext(text, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_text_eq_enctext'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_eq_enctext(text, @extschema@.enctext) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.text_ne_enctext(text, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_text_ne_enctext'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_ne_enctext(text, @extschema@.enctext) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = text, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.text_eq_enctext,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR @extschema@.= (text, @extschema@.enctext) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = text, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.text_ne_enctext,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (text, @extschema@.enctext) IS 'not equal';

-- Order and hash of the tags, for indexes, joins and grouping.  The operators
-- have names that nobody writes by accident: < between encrypted values does
-- not resolve.

CREATE FUNCTION gdpr.enctext_lt(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_lt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_lt(@extschema@.enctext, @extschema@.enctext) IS
	'sorts before, by tag';
CREATE FUNCTION gdpr.enctext_le(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_le'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_le(@extschema@.enctext, @extschema@.enctext) IS
	'sorts before or equal, by tag';
CREATE FUNCTION gdpr.enctext_gt(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_gt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_gt(@extschema@.enctext, @extschema@.enctext) IS
	'sorts after, by tag';
CREATE FUNCTION gdpr.enctext_ge(@extschema@.enctext, @extschema@.enctext) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctext_ge'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_ge(@extschema@.enctext, @extschema@.enctext) IS
	'sorts after or equal, by tag';
CREATE OPERATOR gdpr.#<# (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_lt,
	COMMUTATOR = OPERATOR(gdpr.#>#),
	NEGATOR = OPERATOR(gdpr.#>=#),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR gdpr.#<# (@extschema@.enctext, @extschema@.enctext) IS 'sorts before, by tag';
CREATE OPERATOR gdpr.#<=# (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_le,
	COMMUTATOR = OPERATOR(gdpr.#>=#),
	NEGATOR = OPERATOR(gdpr.#>#),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR gdpr.#<=# (@extschema@.enctext, @extschema@.enctext) IS 'sorts before or equal, by tag';
CREATE OPERATOR gdpr.#># (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_gt,
	COMMUTATOR = OPERATOR(gdpr.#<#),
	NEGATOR = OPERATOR(gdpr.#<=#),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR gdpr.#># (@extschema@.enctext, @extschema@.enctext) IS 'sorts after, by tag';
CREATE OPERATOR gdpr.#>=# (
	LEFTARG = @extschema@.enctext, RIGHTARG = @extschema@.enctext, FUNCTION = gdpr.enctext_ge,
	COMMUTATOR = OPERATOR(gdpr.#<=#),
	NEGATOR = OPERATOR(gdpr.#<#),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR gdpr.#>=# (@extschema@.enctext, @extschema@.enctext) IS 'sorts after or equal, by tag';

CREATE FUNCTION gdpr.enctext_cmp(@extschema@.enctext, @extschema@.enctext) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_enctext_cmp'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_cmp(@extschema@.enctext, @extschema@.enctext) IS
	'less-equal-greater, by tag';
CREATE FUNCTION gdpr.enctext_hash(@extschema@.enctext) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_enctext_hash'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_hash(@extschema@.enctext) IS
	'hash of the tag';
CREATE FUNCTION gdpr.enctext_hash_extended(@extschema@.enctext, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'gdpr_enctext_hash_extended'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_hash_extended(@extschema@.enctext, bigint) IS
	'seeded hash of the tag';

CREATE OPERATOR FAMILY gdpr.enctext_ops USING btree;
COMMENT ON OPERATOR FAMILY gdpr.enctext_ops USING btree IS 'tags of encrypted text';
CREATE OPERATOR CLASS gdpr.enctext_ops DEFAULT FOR TYPE @extschema@.enctext
	USING btree FAMILY gdpr.enctext_ops AS
		OPERATOR 1 gdpr.#<#,
		OPERATOR 2 gdpr.#<=#,
		OPERATOR 3 @extschema@.=,
		OPERATOR 4 gdpr.#>=#,
		OPERATOR 5 gdpr.#>#,
		FUNCTION 1 gdpr.enctext_cmp(@extschema@.enctext, @extschema@.enctext);
COMMENT ON OPERATOR CLASS gdpr.enctext_ops USING btree IS 'tags of encrypted text';

CREATE OPERATOR FAMILY gdpr.enctext_ops USING hash;
COMMENT ON OPERATOR FAMILY gdpr.enctext_ops USING hash IS 'tags of encrypted text';
CREATE OPERATOR CLASS gdpr.enctext_ops DEFAULT FOR TYPE @extschema@.enctext
	USING hash FAMILY gdpr.enctext_ops AS
		OPERATOR 1 @extschema@.=,
		FUNCTION 1 gdpr.enctext_hash(@extschema@.enctext),
		FUNCTION 2 gdpr.enctext_hash_extended(@extschema@.enctext, bigint);
COMMENT ON OPERATOR CLASS gdpr.enctext_ops USING hash IS 'tags of encrypted text';

-- What the planner puts around the side of a comparison that has no context.

CREATE FUNCTION gdpr.enctext_probe(@extschema@.enctext, integer) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_probe'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_probe(@extschema@.enctext, integer) IS
	'makes a literal or parameter comparable with the values of a context; needs the search privilege';
CREATE FUNCTION gdpr.enctext_probe(text, integer) RETURNS @extschema@.enctext
	AS 'MODULE_PATHNAME', 'gdpr_enctext_probe_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_probe(text, integer) IS
	'makes a string comparable with the values of a context; needs the search privilege';
