-- data.sql
--   The shop's rows for :size customers.  Nobody in it exists:
--
--     e-mail        example.org, example.com, example.net (RFC 2606)
--     phones        Sweden: 070-174 06 05 to 99, which the regulator (PTS)
--                   keeps for fiction.  The other four countries publish no
--                   such range; their customers have numbers that the United
--                   Kingdom's regulator (Ofcom) keeps for drama:
--                   +44 7700 900000 to 900999.
--     national ids  Finland: individual numbers 900-999, never registered.
--                   Norway: month + 80, the synthetic population of
--                   Skatteetaten.  Sweden: four test numbers that
--                   Skatteverket publishes, for the first four Swedish
--                   customers.  Denmark and Estonia: none.
--     IP addresses  documentation ranges (RFC 5737)
--
--   No random(): a row is a function of its number.

CREATE FUNCTION shop.mix(n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((n # (n >> 13)) * 1103515245 + 12345) & 2147483647;

-- A die with that many sides, 1 to sides: throw number n of the cup "salt".
CREATE FUNCTION shop.roll(n bigint, salt integer, sides integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((shop.mix(shop.mix(n * 31 + salt * 7919)) >> 7) % sides + 1)::integer;

INSERT INTO shop.country VALUES
	('FI', 'Suomi', 'EUR'),
	('SE', 'Sverige', 'SEK'),
	('NO', 'Norge', 'NOK'),
	('DK', 'Danmark', 'DKK'),
	('EE', 'Eesti', 'EUR');

CREATE TEMP TABLE pool (country text, first_names text[], last_names text[],
						cities text[], postal_codes text[], streets text[]);
INSERT INTO pool VALUES
('FI',
 '{Aino,Eino,Helmi,Väinö,Sofia,Onni,Venla,Leo,Saara,Elias,Kerttu,Oskari,Päivi,Antti,Riikka,Mikko,Tuulikki,Juhani,Anneli,Pekka}',
 '{Korhonen,Virtanen,Mäkinen,Nieminen,Mäkelä,Hämäläinen,Laine,Heikkinen,Koskinen,Järvinen,Lehtonen,Saarinen,Niemi,Salonen,Heinonen,Turunen,Laitinen,Tuominen,Rantanen,Ahonen}',
 '{Helsinki,Turku,Tampere,Oulu,Jyväskylä}', '{00100,20100,33100,90100,40100}',
 '{Koivukatu,Rantatie,Mäntypolku,Kirkkokatu,Satamakatu}'),
('SE',
 '{Astrid,Nils,Ebba,Gustav,Maja,Axel,Åsa,Björn,Linnéa,Sven,Elsa,Göran,Ingrid,Lars,Freja,Oskar,Märta,Erik,Saga,Hugo}',
 '{Andersson,Johansson,Karlsson,Nilsson,Eriksson,Larsson,Olsson,Persson,Svensson,Gustafsson,Lindström,Bergström,Sjöberg,Åkesson,Öberg,Lundqvist,Holm,Wallin,Ekström,Norén}',
 '{Stockholm,Göteborg,Malmö,Uppsala,Umeå}', '{111 20,411 03,211 20,753 10,903 26}',
 '{Björkgatan,Storgatan,Hamngatan,Skolgatan,Kyrkogatan}'),
('NO',
 '{Nora,Jakob,Ingrid,Emil,Solveig,Håkon,Sigrid,Olav,Kari,Øyvind,Tuva,Magnus,Ragnhild,Sander,Maren,Bjørn,Åse,Eirik,Liv,Knut}',
 '{Hansen,Johansen,Olsen,Larsen,Andersen,Pedersen,Nilsen,Kristiansen,Jensen,Karlsen,Bakken,Haugen,Solberg,Lie,Strand,Moen,Dahl,Berg,Østby,Nygård}',
 '{Oslo,Bergen,Trondheim,Stavanger,Tromsø}', '{0150,5003,7010,4006,9008}',
 '{Bjørkeveien,Storgata,Sjøgata,Skoleveien,Kirkeveien}'),
('DK',
 '{Freja,Karl,Ida,Søren,Clara,Mads,Kirsten,Jens,Signe,Rasmus,Maja,Anders,Bodil,Mikkel,Johanne,Niels,Åse,Jørgen,Laura,Emil}',
 '{Nielsen,Jensen,Hansen,Pedersen,Andersen,Christensen,Larsen,Sørensen,Rasmussen,Jørgensen,Petersen,Madsen,Kristensen,Olsen,Thomsen,Møller,Poulsen,Johansen,Knudsen,Mortensen}',
 '{København,Aarhus,Odense,Aalborg,Esbjerg}', '{1050,8000,5000,9000,6700}',
 '{Birkevej,Nørregade,Havnegade,Skolevej,Kirkegade}'),
('EE',
 '{Mari,Jaan,Liis,Mart,Kadri,Tõnu,Piret,Jüri,Maarja,Rein,Kristiina,Ülo,Anu,Toomas,Triin,Madis,Helgi,Priit,Õie,Andres}',
 '{Tamm,Saar,Sepp,Mägi,Kask,Kukk,Rebane,Ilves,Pärn,Koppel,Oja,Lepik,Kuusk,Põder,Luik,Raudsepp,Vaher,Kallas,Õunapuu,Käär}',
 '{Tallinn,Tartu,Pärnu,Narva,Viljandi}', '{10111,51003,80010,20308,71020}',
 '{Kase,Pikk,Sadama,Kooli,Kiriku}');

-- A check digit of a Norwegian number; NULL where the number cannot exist.
CREATE FUNCTION shop.no_id(birth date, individual integer) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	WITH nine AS (
		SELECT to_char(birth, 'DD') || (to_char(birth, 'MM')::integer + 80)
			|| to_char(birth, 'YY') || lpad(individual::text, 3, '0') AS s
	), first AS (
		SELECT s, (11 - (SELECT sum(substr(s, i, 1)::integer * ('{3,7,6,1,8,9,4,5,2}'::integer[])[i])
						 FROM generate_series(1, 9) i) % 11) % 11 AS k
		FROM nine
	), second AS (
		SELECT s || k AS s, k AS first,
			(11 - (SELECT sum(substr(s || k, i, 1)::integer * ('{5,4,3,2,7,6,5,4,3,2}'::integer[])[i])
				   FROM generate_series(1, 10) i) % 11) % 11 AS k
		FROM first WHERE k < 10
	)
	SELECT s || k FROM second WHERE k < 10;
END;

CREATE FUNCTION shop.fi_id(birth date, individual integer) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN to_char(birth, 'DDMMYY') || CASE WHEN birth < '2000-01-01' THEN '-' ELSE 'A' END
	|| individual
	|| substr('0123456789ABCDEFHJKLMNPRSTUVWXY',
			  ((to_char(birth, 'DDMMYY') || individual)::bigint % 31)::integer + 1, 1);

INSERT INTO shop.household
SELECT n, (SELECT last_names[shop.roll(n, 1, 20)] FROM pool p
		   WHERE p.country = ('{FI,SE,NO,DK,EE}'::text[])[shop.roll(n, 2, 5)]),
	shop.roll(n, 3, 500)
FROM generate_series(1, :size / 10) n;

INSERT INTO shop.employee
SELECT n, CASE WHEN n > 1 THEN n / 4 + 1 - (n % 4 = 0)::integer END,
	p.first_names[shop.roll(n, 4, 20)], p.last_names[shop.roll(n, 5, 20)],
	'staff' || n || '@shop.example',
	CASE WHEN n = 1 THEN 'manager' WHEN n % 3 = 0 THEN 'warehouse' ELSE 'customer service' END
FROM generate_series(1, 40) n
JOIN pool p ON p.country = ('{FI,SE,NO,DK,EE}'::text[])[shop.roll(n, 6, 5)];

-- Birth dates go through the days of 1945 to 1994 in steps that meet every day
-- once before any repeats; a person's number is unique by the round.
INSERT INTO shop.customer
SELECT n,
	CASE WHEN shop.roll(n, 11, 3) = 1 THEN shop.roll(n, 20, :size / 10) END,
	CASE WHEN n > 10 AND shop.roll(n, 12, 4) = 1 THEN shop.roll(n, 13, n - 1) END,
	NULL,
	c.country, c.first_name, c.last_name,
	lower(translate(c.first_name || '.' || c.last_name, 'ÅÄÖØåäöøõÕüÜéæ', 'AAOOaaoooouuea'))
		|| n || '@example.' || ('{org,com,net}'::text[])[shop.roll(n, 14, 3)],
	CASE WHEN c.country = 'SE' THEN '+46 70 174 06 ' || lpad((4 + shop.roll(n, 15, 95))::text, 2, '0')
		 ELSE '+44 7700 900' || lpad((shop.roll(n, 15, 1000) - 1)::text, 3, '0') END,
	CASE c.country
		WHEN 'FI' THEN shop.fi_id(c.birth, 900 + n / 18000 % 100)
		WHEN 'NO' THEN shop.no_id(c.birth, n / 18000 % 500)
		WHEN 'SE' THEN c.test_number
	END,
	coalesce(to_date(left(c.test_number, 8), 'YYYYMMDD'), c.birth),
	'$2b$12$' || left(md5('salt' || n) || md5('hash' || n), 53),
	date '2023-01-01' + shop.roll(n, 16, 1000)
FROM (
	SELECT n, p.country,
		p.first_names[shop.roll(n, 17, 20)] AS first_name,
		p.last_names[shop.roll(n, 18, 20)] AS last_name,
		date '1945-01-01' + (n * 7001 % 18000) AS birth,
		CASE WHEN p.country = 'SE'
			THEN ('{199001012385,199908072391,200002292399,191202119986}'::text[])
				[row_number() OVER (PARTITION BY p.country ORDER BY n)] END AS test_number
	FROM generate_series(1, :size) n
	JOIN pool p ON p.country = ('{FI,FI,SE,SE,SE,NO,DK,EE}'::text[])[shop.roll(n, 19, 8)]
) c
ORDER BY n;

-- The id of a customer's k-th address is 3 * customer - 3 + k: up to three.
INSERT INTO shop.address
SELECT 3 * c.id - 3 + k, c.id,
	p.streets[shop.roll(c.id * 3 + k, 21, 5)] || ' ' || shop.roll(c.id * 3 + k, 22, 90),
	p.postal_codes[town], p.cities[town], c.country
FROM shop.customer c
JOIN pool p USING (country)
CROSS JOIN generate_series(1, 3) k
CROSS JOIN LATERAL (SELECT shop.roll(c.id * 3 + k, 23, 5) AS town) t
WHERE k <= shop.roll(c.id, 25, 3)
ORDER BY 1;

UPDATE shop.customer SET default_address_id = 3 * id - 2;

INSERT INTO shop.club
SELECT c.code, no, ('{Running,Sauna,Sailing,Ski}'::text[])[no] || ' club ' || c.name
FROM shop.country c CROSS JOIN generate_series(1, 4) no;

INSERT INTO shop.club_member
SELECT country, shop.roll(id, 31, 4), id, created_on + shop.roll(id, 32, 60)
FROM shop.customer WHERE shop.roll(id, 33, 3) = 1;

INSERT INTO shop.product
SELECT n, ('{Wool,Birch,Linen,Cast iron,Glass,Leather,Copper,Felt}'::text[])[n % 8 + 1] || ' '
	|| ('{mittens,bowl,towel,pan,vase,bag,kettle,slippers,lamp}'::text[])[n % 9 + 1],
	5 + shop.roll(n, 41, 9500) / 100.0
FROM generate_series(1, 200) n;

-- Up to four orders for each customer, between 2023 and 2025.
INSERT INTO shop.orders
SELECT 4 * c.id - 4 + k, c.id,
	CASE WHEN shop.roll(c.id * 4 + k, 51, 5) > 1 THEN 3 * c.id - 3 + shop.roll(c.id * 4 + k, 52, addresses) END,
	shop.roll(c.id * 4 + k, 53, 40),
	timestamp '2023-01-01 08:00' + shop.roll(c.id * 4 + k, 54, 1090) * interval '1 day'
		+ shop.roll(c.id * 4 + k, 55, 700) * interval '1 minute',
	CASE WHEN shop.roll(c.id * 4 + k, 56, 6) = 1
		THEN 'Leave with the neighbour if ' || c.first_name || ' is out.' END
FROM shop.customer c
CROSS JOIN LATERAL (SELECT shop.roll(c.id, 25, 3) AS addresses) a
CROSS JOIN generate_series(1, 4) k
WHERE k <= shop.roll(c.id, 57, 5) - 1
ORDER BY 1;

INSERT INTO shop.order_line
SELECT o.id, line_no, p.id, shop.roll(o.id * 3 + line_no, 61, 4), p.price
FROM shop.orders o
CROSS JOIN generate_series(1, 3) line_no
JOIN shop.product p ON p.id = shop.roll(o.id * 3 + line_no, 62, 200)
WHERE line_no <= shop.roll(o.id, 63, 3)
ORDER BY 1, 2;

-- Nine orders of ten were delivered and invoiced two days later.
INSERT INTO shop.invoice
SELECT o.id, o.customer_id, 'SO-' || o.id, o.placed_at::date + 2, sum(l.quantity * l.price)
FROM shop.orders o
JOIN shop.order_line l ON l.order_id = o.id
WHERE shop.roll(o.id, 71, 10) > 1
GROUP BY o.id, o.customer_id, o.placed_at
ORDER BY o.id;

INSERT INTO shop.invoice_line
SELECT i.id, l.line_no, l.quantity || ' x ' || p.name, l.quantity * l.price
FROM shop.invoice i
JOIN shop.order_line l ON l.order_id = i.id
JOIN shop.product p ON p.id = l.product_id
ORDER BY 1, 2;

-- A question, and for some an answer and a thank-you below it.
INSERT INTO shop.ticket
SELECT 3 * c.id - 3 + k, CASE WHEN k <> 2 THEN c.id END,
	CASE WHEN k > 1 THEN 3 * c.id - 4 + k END,
	CASE WHEN k = 2 THEN shop.roll(c.id, 81, 40) END,
	timestamp '2024-02-01 09:00' + shop.roll(c.id, 82, 600) * interval '1 day' + k * interval '1 hour',
	'Where is my parcel?',
	CASE k WHEN 1 THEN 'Hello, ' || c.first_name || ' ' || c.last_name || ' here. Please call '
					   || c.phone || ' about my order.'
		   WHEN 2 THEN 'Dear ' || c.first_name || ', it left the warehouse this morning.'
		   ELSE 'Thank you! ' || c.first_name END
FROM shop.customer c
CROSS JOIN generate_series(1, 3) k
WHERE shop.roll(c.id, 83, 4) = 1 AND k <= shop.roll(c.id, 84, 3)
ORDER BY 1;

INSERT INTO shop.newsletter_consent
SELECT id, email, created_on + time '12:00',
	CASE WHEN shop.roll(id, 91, 5) = 1 THEN timestamp '2025-10-01 12:00' END,
	('{checkout,"front page","club evening"}'::text[])[shop.roll(id, 92, 3)]
FROM shop.customer WHERE shop.roll(id, 93, 2) = 1;

-- Three to six visits, and somebody's k-th visit is in year 2023 + k % 3: all
-- partitions have rows of everybody.
INSERT INTO shop.visit
SELECT c.id,
	make_timestamp(2023 + k % 3, shop.roll(c.id * 6 + k, 101, 12), shop.roll(c.id * 6 + k, 102, 28),
				   5 + shop.roll(c.id * 6 + k, 103, 18), shop.roll(c.id * 6 + k, 104, 59), 0),
	('{/,/search,/cart,/checkout,/account}'::text[])[shop.roll(c.id * 6 + k, 105, 5)],
	(('{192.0.2.,198.51.100.,203.0.113.}'::text[])[shop.roll(c.id, 106, 3)]
		|| shop.roll(c.id, 107, 254))::inet
FROM shop.customer c
CROSS JOIN generate_series(1, 6) k
WHERE k <= 2 + shop.roll(c.id, 108, 4)
ORDER BY c.id, k;

DROP FUNCTION shop.no_id(date, integer), shop.fi_id(date, integer),
	shop.roll(bigint, integer, integer), shop.mix(bigint);
