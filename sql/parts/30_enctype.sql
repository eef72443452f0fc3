-- The encrypted types.  The types and their =, <> and || live in the target
-- schema, so that a search_path that finds the type finds them too; what
-- supports them lives in schema gdpr.
--
-- Input, receive and casts are STABLE: they depend on keys, on the current
-- user and on the moment (a nonce), but an index scan may still use them.
-- PUBLIC keeps EXECUTE on all of this: the contexts' privileges decide.
--
-- sql/expand.awk repeats what stands between --@each and --@end.

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

-- The types; the casts of strings and json, and the conversion into a column's
-- context, which each of them has.  Casts lead into a type on assignment, out
-- of it only when asked for: PostgreSQL would otherwise supply conversions to
-- every string type by itself, also of the arrays.

--@each type       | comment
--@ enctext        | encrypted text that can be searched for exactly
--@ encitext       | encrypted text that can be searched for exactly but for case
--@ encsecret      | encrypted text without any comparison
--@ encbytea       | encrypted bytea
--@ encjsonb       | encrypted jsonb
--@ encnumeric     | encrypted numeric
--@ encint8        | encrypted bigint
--@ encdate        | encrypted date
--@ enctimestamptz | encrypted timestamp with time zone
CREATE TYPE @extschema@.@type@;

CREATE FUNCTION gdpr.@type@_in(cstring, oid, integer) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_in'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_in(cstring, oid, integer) IS
	'input of @type@';
CREATE FUNCTION gdpr.@type@_out(@extschema@.@type@) RETURNS cstring
	AS 'MODULE_PATHNAME', 'gdpr_enctype_out'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_out(@extschema@.@type@) IS
	'output of @type@';
CREATE FUNCTION gdpr.@type@_recv(internal, oid, integer) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_recv'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_recv(internal, oid, integer) IS
	'binary input of @type@';
CREATE FUNCTION gdpr.@type@_send(@extschema@.@type@) RETURNS bytea
	AS 'MODULE_PATHNAME', 'gdpr_enctype_send'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_send(@extschema@.@type@) IS
	'binary output of @type@';

CREATE TYPE @extschema@.@type@ (
	INPUT = gdpr.@type@_in,
	OUTPUT = gdpr.@type@_out,
	RECEIVE = gdpr.@type@_recv,
	SEND = gdpr.@type@_send,
	TYPMOD_IN = gdpr.enctype_typmod_in,
	TYPMOD_OUT = gdpr.enctype_typmod_out,
	ANALYZE = gdpr.enctype_typanalyze,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = external
);
COMMENT ON TYPE @extschema@.@type@ IS '@comment@';

-- Statistics of arrays would keep their most common elements.  ALTER TYPE
-- does not take array types.
UPDATE pg_catalog.pg_type
	SET typanalyze = 'gdpr.enctype_typanalyze'::pg_catalog.regproc
	WHERE oid = '@extschema@.@type@[]'::pg_catalog.regtype;

CREATE FUNCTION gdpr.@type@_coerce(@extschema@.@type@, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_coerce(@extschema@.@type@, integer, boolean) IS
	'@type@ of a context';
CREATE CAST (@extschema@.@type@ AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_coerce(@extschema@.@type@, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (@extschema@.@type@ AS @extschema@.@type@) IS 'moves a value into the context of its column';

CREATE FUNCTION gdpr.@type@_from_text(text, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_from_text(text, integer, boolean) IS
	'@type@ from text';
CREATE FUNCTION gdpr.@type@_from_bpchar(character, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_from_bpchar(character, integer, boolean) IS
	'@type@ from bpchar';
CREATE CAST (text AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (text AS @extschema@.@type@) IS 'encrypts';
CREATE CAST (character varying AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_text(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character varying AS @extschema@.@type@) IS 'encrypts';
CREATE CAST (character AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_bpchar(character, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (character AS @extschema@.@type@) IS 'encrypts';

CREATE FUNCTION gdpr.@type@_to_text(@extschema@.@type@) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_text(@extschema@.@type@) IS
	'plaintext of @type@';
CREATE FUNCTION gdpr.@type@_to_varchar(@extschema@.@type@, integer, boolean) RETURNS character varying
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_varchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_varchar(@extschema@.@type@, integer, boolean) IS
	'plaintext of @type@';
CREATE FUNCTION gdpr.@type@_to_bpchar(@extschema@.@type@, integer, boolean) RETURNS character
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_bpchar'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_bpchar(@extschema@.@type@, integer, boolean) IS
	'plaintext of @type@';
CREATE FUNCTION gdpr.@type@_to_name(@extschema@.@type@) RETURNS name
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_name(@extschema@.@type@) IS
	'plaintext of @type@';
CREATE FUNCTION gdpr.@type@_to_json(@extschema@.@type@) RETURNS json
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_json'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_json(@extschema@.@type@) IS
	'plaintext of @type@ as json';
CREATE FUNCTION gdpr.@type@_to_jsonb(@extschema@.@type@) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_jsonb'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_jsonb(@extschema@.@type@) IS
	'plaintext of @type@ as jsonb';
CREATE CAST (@extschema@.@type@ AS text)
	WITH FUNCTION gdpr.@type@_to_text(@extschema@.@type@);
COMMENT ON CAST (@extschema@.@type@ AS text) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.@type@ AS character varying)
	WITH FUNCTION gdpr.@type@_to_varchar(@extschema@.@type@, integer, boolean);
COMMENT ON CAST (@extschema@.@type@ AS character varying) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.@type@ AS character)
	WITH FUNCTION gdpr.@type@_to_bpchar(@extschema@.@type@, integer, boolean);
COMMENT ON CAST (@extschema@.@type@ AS character) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.@type@ AS name)
	WITH FUNCTION gdpr.@type@_to_name(@extschema@.@type@);
COMMENT ON CAST (@extschema@.@type@ AS name) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.@type@ AS json)
	WITH FUNCTION gdpr.@type@_to_json(@extschema@.@type@);
COMMENT ON CAST (@extschema@.@type@ AS json) IS 'decrypts; needs the read privilege on the context';
CREATE CAST (@extschema@.@type@ AS jsonb)
	WITH FUNCTION gdpr.@type@_to_jsonb(@extschema@.@type@);
COMMENT ON CAST (@extschema@.@type@ AS jsonb) IS 'decrypts; needs the read privilege on the context';

CREATE CAST (@extschema@.@type@[] AS text) WITH INOUT;
COMMENT ON CAST (@extschema@.@type@[] AS text) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.@type@[] AS character varying) WITH INOUT;
COMMENT ON CAST (@extschema@.@type@[] AS character varying) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.@type@[] AS character) WITH INOUT;
COMMENT ON CAST (@extschema@.@type@[] AS character) IS
	'the array as its output shows it to the current user; only when asked for';
CREATE CAST (@extschema@.@type@[] AS name) WITH INOUT;
COMMENT ON CAST (@extschema@.@type@[] AS name) IS
	'the array as its output shows it to the current user; only when asked for';
--@end

-- Types of text alone: names, and concatenation, which decrypts under the rule
-- of the casts.

--@each type
--@ enctext
--@ encitext
--@ encsecret
CREATE FUNCTION gdpr.@type@_from_name(name, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_name'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_from_name(name, integer, boolean) IS
	'@type@ from name';
CREATE CAST (name AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_name(name, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (name AS @extschema@.@type@) IS 'encrypts';

CREATE FUNCTION gdpr.@type@_cat_text(@extschema@.@type@, text) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_cat_text(@extschema@.@type@, text) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.@type@, RIGHTARG = text, FUNCTION = gdpr.@type@_cat_text
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.@type@, text) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.text_cat_@type@(text, @extschema@.@type@) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_text_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_cat_@type@(text, @extschema@.@type@) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = text, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.text_cat_@type@
);
COMMENT ON OPERATOR @extschema@.|| (text, @extschema@.@type@) IS 'concatenate; needs the read privilege on the context';
CREATE FUNCTION gdpr.@type@_cat_@type@(@extschema@.@type@, @extschema@.@type@) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cat_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_cat_@type@(@extschema@.@type@, @extschema@.@type@) IS
	'plaintext, concatenated';
CREATE OPERATOR @extschema@.|| (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_cat_@type@
);
COMMENT ON OPERATOR @extschema@.|| (@extschema@.@type@, @extschema@.@type@) IS 'concatenate; needs the read privilege on the context';
--@end

-- The casts from other types.  One C function serves them all: the server's own
-- cast from the argument to the base type is looked up.

--@each type       | name        | source                      | by
--@ enctext        | json        | json                        | text
--@ enctext        | jsonb       | jsonb                       | base
--@ encitext       | json        | json                        | text
--@ encitext       | jsonb       | jsonb                       | base
--@ encsecret      | json        | json                        | text
--@ encsecret      | jsonb       | jsonb                       | base
--@ encbytea       | bytea       | bytea                       | base
--@ encjsonb       | json        | json                        | base
--@ encjsonb       | jsonb       | jsonb                       | base
--@ encnumeric     | int2        | smallint                    | base
--@ encnumeric     | int4        | integer                     | base
--@ encnumeric     | int8        | bigint                      | base
--@ encnumeric     | numeric     | numeric                     | base
--@ encnumeric     | float4      | real                        | base
--@ encnumeric     | float8      | double precision            | base
--@ encint8        | int2        | smallint                    | base
--@ encint8        | int4        | integer                     | base
--@ encint8        | int8        | bigint                      | base
--@ encint8        | numeric     | numeric                     | base
--@ encint8        | float4      | real                        | base
--@ encint8        | float8      | double precision            | base
--@ encdate        | date        | date                        | base
--@ encdate        | timestamp   | timestamp without time zone | base
--@ encdate        | timestamptz | timestamp with time zone    | base
--@ enctimestamptz | date        | date                        | base
--@ enctimestamptz | timestamp   | timestamp without time zone | base
--@ enctimestamptz | timestamptz | timestamp with time zone    | base
CREATE FUNCTION gdpr.@type@_from_@name@(@source@, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_@by@'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_from_@name@(@source@, integer, boolean) IS
	'@type@ from @name@';
CREATE CAST (@source@ AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_@name@(@source@, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (@source@ AS @extschema@.@type@) IS 'encrypts';
--@end

-- The casts to other types than strings and json; the second table is of those
-- with modifiers.

--@each type       | name   | target
--@ encbytea       | bytea  | bytea
--@ encnumeric     | int2   | smallint
--@ encnumeric     | int4   | integer
--@ encnumeric     | int8   | bigint
--@ encnumeric     | float4 | real
--@ encnumeric     | float8 | double precision
--@ encint8        | int2   | smallint
--@ encint8        | int4   | integer
--@ encint8        | int8   | bigint
--@ encint8        | float4 | real
--@ encint8        | float8 | double precision
--@ encdate        | date   | date
--@ enctimestamptz | date   | date
CREATE FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@) RETURNS @target@
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_base'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@) IS
	'plaintext of @type@';
CREATE CAST (@extschema@.@type@ AS @target@)
	WITH FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@);
COMMENT ON CAST (@extschema@.@type@ AS @target@) IS 'decrypts; needs the read privilege on the context';
--@end

--@each type       | name        | target
--@ encnumeric     | numeric     | numeric
--@ encint8        | numeric     | numeric
--@ encdate        | timestamp   | timestamp without time zone
--@ encdate        | timestamptz | timestamp with time zone
--@ enctimestamptz | timestamp   | timestamp without time zone
--@ enctimestamptz | timestamptz | timestamp with time zone
CREATE FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@, integer, boolean) RETURNS @target@
	AS 'MODULE_PATHNAME', 'gdpr_enctype_to_base'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@, integer, boolean) IS
	'plaintext of @type@';
CREATE CAST (@extschema@.@type@ AS @target@)
	WITH FUNCTION gdpr.@type@_to_@name@(@extschema@.@type@, integer, boolean);
COMMENT ON CAST (@extschema@.@type@ AS @target@) IS 'decrypts; needs the read privilege on the context';
--@end

CREATE FUNCTION gdpr.encitext_folded(@extschema@.encitext) RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_encitext_folded'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.encitext_folded(@extschema@.encitext) IS
	'plaintext of encitext, folded as its equality does; needs the read privilege on the context';

-- From one type of text to another, only when asked for.

--@each type | source
--@ enctext   | encitext
--@ enctext   | encsecret
--@ encitext  | enctext
--@ encitext  | encsecret
--@ encsecret | enctext
--@ encsecret | encitext
CREATE FUNCTION gdpr.@type@_from_@source@(@extschema@.@source@, integer, boolean) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_from_value'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_from_@source@(@extschema@.@source@, integer, boolean) IS
	'@type@ from @source@';
CREATE CAST (@extschema@.@source@ AS @extschema@.@type@)
	WITH FUNCTION gdpr.@type@_from_@source@(@extschema@.@source@, integer, boolean);
COMMENT ON CAST (@extschema@.@source@ AS @extschema@.@type@) IS
	'encrypts anew; needs the read privilege on the source';
--@end

-- Equality.  STABLE, not IMMUTABLE: beside a literal that no context owns the
-- result depends on keys and on the right to search, and must not be folded
-- into a plan.  LEAKPROOF: the only errors are 42501 and PD006 (and, for a
-- context that is gone, 42704), which tell nothing of a row.
--
-- Order and hash of the tags are for indexes, joins and grouping.  The operators
-- have names that nobody writes by accident: < between encrypted values does
-- not resolve.

--@each type | comment
--@ enctext  | tags of encrypted text
--@ encitext | tags of encrypted text, but for case
CREATE FUNCTION gdpr.@type@_eq(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_eq'
	LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_eq(@extschema@.@type@, @extschema@.@type@) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.@type@_ne(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_ne'
	LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_ne(@extschema@.@type@, @extschema@.@type@) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_eq,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
COMMENT ON OPERATOR @extschema@.= (@extschema@.@type@, @extschema@.@type@) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_ne,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (@extschema@.@type@, @extschema@.@type@) IS 'not equal';

CREATE FUNCTION gdpr.@type@_eq_text(@extschema@.@type@, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_eq_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_eq_text(@extschema@.@type@, text) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.@type@_ne_text(@extschema@.@type@, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_ne_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_ne_text(@extschema@.@type@, text) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = @extschema@.@type@, RIGHTARG = text, FUNCTION = gdpr.@type@_eq_text,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR @extschema@.= (@extschema@.@type@, text) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = @extschema@.@type@, RIGHTARG = text, FUNCTION = gdpr.@type@_ne_text,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (@extschema@.@type@, text) IS 'not equal';

CREATE FUNCTION gdpr.text_eq_@type@(text, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_text_eq_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_eq_@type@(text, @extschema@.@type@) IS
	'equal by plaintext';
CREATE FUNCTION gdpr.text_ne_@type@(text, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_text_ne_enctype'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.text_ne_@type@(text, @extschema@.@type@) IS
	'not equal by plaintext';
CREATE OPERATOR @extschema@.= (
	LEFTARG = text, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.text_eq_@type@,
	COMMUTATOR = OPERATOR(@extschema@.=),
	NEGATOR = OPERATOR(@extschema@.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR @extschema@.= (text, @extschema@.@type@) IS 'equal';
CREATE OPERATOR @extschema@.<> (
	LEFTARG = text, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.text_ne_@type@,
	COMMUTATOR = OPERATOR(@extschema@.<>),
	NEGATOR = OPERATOR(@extschema@.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR @extschema@.<> (text, @extschema@.@type@) IS 'not equal';

CREATE FUNCTION gdpr.@type@_lt(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_lt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_lt(@extschema@.@type@, @extschema@.@type@) IS
	'sorts before, by tag';
CREATE FUNCTION gdpr.@type@_le(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_le'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_le(@extschema@.@type@, @extschema@.@type@) IS
	'sorts before or equal, by tag';
CREATE FUNCTION gdpr.@type@_gt(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_gt'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_gt(@extschema@.@type@, @extschema@.@type@) IS
	'sorts after, by tag';
CREATE FUNCTION gdpr.@type@_ge(@extschema@.@type@, @extschema@.@type@) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gdpr_enctype_ge'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_ge(@extschema@.@type@, @extschema@.@type@) IS
	'sorts after or equal, by tag';
CREATE OPERATOR gdpr.#<# (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_lt,
	COMMUTATOR = OPERATOR(gdpr.#>#),
	NEGATOR = OPERATOR(gdpr.#>=#),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR gdpr.#<# (@extschema@.@type@, @extschema@.@type@) IS 'sorts before, by tag';
CREATE OPERATOR gdpr.#<=# (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_le,
	COMMUTATOR = OPERATOR(gdpr.#>=#),
	NEGATOR = OPERATOR(gdpr.#>#),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR gdpr.#<=# (@extschema@.@type@, @extschema@.@type@) IS 'sorts before or equal, by tag';
CREATE OPERATOR gdpr.#># (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_gt,
	COMMUTATOR = OPERATOR(gdpr.#<#),
	NEGATOR = OPERATOR(gdpr.#<=#),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR gdpr.#># (@extschema@.@type@, @extschema@.@type@) IS 'sorts after, by tag';
CREATE OPERATOR gdpr.#>=# (
	LEFTARG = @extschema@.@type@, RIGHTARG = @extschema@.@type@, FUNCTION = gdpr.@type@_ge,
	COMMUTATOR = OPERATOR(gdpr.#<=#),
	NEGATOR = OPERATOR(gdpr.#<#),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR gdpr.#>=# (@extschema@.@type@, @extschema@.@type@) IS 'sorts after or equal, by tag';

CREATE FUNCTION gdpr.@type@_cmp(@extschema@.@type@, @extschema@.@type@) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_enctype_cmp'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_cmp(@extschema@.@type@, @extschema@.@type@) IS
	'less-equal-greater, by tag';
CREATE FUNCTION gdpr.@type@_hash(@extschema@.@type@) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_enctype_hash'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_hash(@extschema@.@type@) IS
	'hash of the tag';
CREATE FUNCTION gdpr.@type@_hash_extended(@extschema@.@type@, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME', 'gdpr_enctype_hash_extended'
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_hash_extended(@extschema@.@type@, bigint) IS
	'seeded hash of the tag';

CREATE OPERATOR FAMILY gdpr.@type@_ops USING btree;
COMMENT ON OPERATOR FAMILY gdpr.@type@_ops USING btree IS '@comment@';
CREATE OPERATOR CLASS gdpr.@type@_ops DEFAULT FOR TYPE @extschema@.@type@
	USING btree FAMILY gdpr.@type@_ops AS
		OPERATOR 1 gdpr.#<#,
		OPERATOR 2 gdpr.#<=#,
		OPERATOR 3 @extschema@.=,
		OPERATOR 4 gdpr.#>=#,
		OPERATOR 5 gdpr.#>#,
		FUNCTION 1 gdpr.@type@_cmp(@extschema@.@type@, @extschema@.@type@);
COMMENT ON OPERATOR CLASS gdpr.@type@_ops USING btree IS '@comment@';

CREATE OPERATOR FAMILY gdpr.@type@_ops USING hash;
COMMENT ON OPERATOR FAMILY gdpr.@type@_ops USING hash IS '@comment@';
CREATE OPERATOR CLASS gdpr.@type@_ops DEFAULT FOR TYPE @extschema@.@type@
	USING hash FAMILY gdpr.@type@_ops AS
		OPERATOR 1 @extschema@.=,
		FUNCTION 1 gdpr.@type@_hash(@extschema@.@type@),
		FUNCTION 2 gdpr.@type@_hash_extended(@extschema@.@type@, bigint);
COMMENT ON OPERATOR CLASS gdpr.@type@_ops USING hash IS '@comment@';

-- What the planner puts around the side of a comparison that has no context.

CREATE FUNCTION gdpr.@type@_probe(@extschema@.@type@, integer) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_enctype_probe'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_probe(@extschema@.@type@, integer) IS
	'makes a literal or parameter comparable with the values of a context; needs the search privilege';
CREATE FUNCTION gdpr.@type@_probe(text, integer) RETURNS @extschema@.@type@
	AS 'MODULE_PATHNAME', 'gdpr_@type@_probe_text'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.@type@_probe(text, integer) IS
	'makes a string comparable with the values of a context; needs the search privilege';
--@end

CREATE FUNCTION gdpr.searches(
		OUT role name, OUT context name, OUT tags bigint,
		OUT first timestamp with time zone, OUT last timestamp with time zone)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_searches'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION gdpr.searches() IS
	'how many tags this session made for searches, by role and context';
