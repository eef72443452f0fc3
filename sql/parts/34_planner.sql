-- Comparisons at plan time.

CREATE FUNCTION gdpr.enctype_eq_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'gdpr_rewrite_eq_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctype_eq_support(internal) IS
	'planner support of the equality functions: gives the side without a context the other''s';

CREATE FUNCTION gdpr.seal_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'gdpr_seal_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.seal_support(internal) IS
	'planner support of conversions into encrypted types: keeps constants out of plans';

--@each type
--@ enctext
--@ encitext
CREATE FUNCTION gdpr.@type@_probe(@extschema@.@type@[], integer) RETURNS @extschema@.@type@[]
	AS 'MODULE_PATHNAME', 'gdpr_@type@_probe_array'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION gdpr.@type@_probe(@extschema@.@type@[], integer) IS
	'what the elements of an array are compared as with values of a context';

CREATE FUNCTION gdpr.@type@_probe(text[], integer) RETURNS @extschema@.@type@[]
	AS 'MODULE_PATHNAME', 'gdpr_@type@_probe_array'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION gdpr.@type@_probe(text[], integer) IS
	'what the elements of an array are compared as with values of a context';

ALTER FUNCTION gdpr.@type@_eq(@extschema@.@type@, @extschema@.@type@) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.@type@_ne(@extschema@.@type@, @extschema@.@type@) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.@type@_eq_text(@extschema@.@type@, text) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.@type@_ne_text(@extschema@.@type@, text) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.text_eq_@type@(text, @extschema@.@type@) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.text_ne_@type@(text, @extschema@.@type@) SUPPORT gdpr.enctype_eq_support;
ALTER FUNCTION gdpr.@type@_probe(text, integer) SUPPORT gdpr.seal_support;
ALTER FUNCTION gdpr.@type@_probe(text[], integer) SUPPORT gdpr.seal_support;
--@end

-- Every cast into a type.

--@each type       | name        | source
--@ enctext        | text        | text
--@ enctext        | bpchar      | character
--@ enctext        | name        | name
--@ enctext        | json        | json
--@ enctext        | jsonb       | jsonb
--@ encitext       | text        | text
--@ encitext       | bpchar      | character
--@ encitext       | name        | name
--@ encitext       | json        | json
--@ encitext       | jsonb       | jsonb
--@ encsecret      | text        | text
--@ encsecret      | bpchar      | character
--@ encsecret      | name        | name
--@ encsecret      | json        | json
--@ encsecret      | jsonb       | jsonb
--@ encbytea       | text        | text
--@ encbytea       | bpchar      | character
--@ encbytea       | bytea       | bytea
--@ encjsonb       | text        | text
--@ encjsonb       | bpchar      | character
--@ encjsonb       | json        | json
--@ encjsonb       | jsonb       | jsonb
--@ encnumeric     | text        | text
--@ encnumeric     | bpchar      | character
--@ encnumeric     | int2        | smallint
--@ encnumeric     | int4        | integer
--@ encnumeric     | int8        | bigint
--@ encnumeric     | numeric     | numeric
--@ encnumeric     | float4      | real
--@ encnumeric     | float8      | double precision
--@ encint8        | text        | text
--@ encint8        | bpchar      | character
--@ encint8        | int2        | smallint
--@ encint8        | int4        | integer
--@ encint8        | int8        | bigint
--@ encint8        | numeric     | numeric
--@ encint8        | float4      | real
--@ encint8        | float8      | double precision
--@ encdate        | text        | text
--@ encdate        | bpchar      | character
--@ encdate        | date        | date
--@ encdate        | timestamp   | timestamp without time zone
--@ encdate        | timestamptz | timestamp with time zone
--@ enctimestamptz | text        | text
--@ enctimestamptz | bpchar      | character
--@ enctimestamptz | date        | date
--@ enctimestamptz | timestamp   | timestamp without time zone
--@ enctimestamptz | timestamptz | timestamp with time zone
ALTER FUNCTION gdpr.@type@_from_@name@(@source@, integer, boolean) SUPPORT gdpr.seal_support;
--@end

-- PUBLIC keeps EXECUTE: it is in everybody's plans.
CREATE FUNCTION gdpr.enctype_keep(old anyelement, new anyelement) RETURNS anyelement
	AS 'MODULE_PATHNAME', 'gdpr_keep_value'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctype_keep(anyelement, anyelement) IS
	'what an UPDATE stores: the old form of an encrypted value when the new one holds the same plaintext';
