-- Access rules over names of any shape, and a key of two columns.
SET client_min_messages = warning;
SET DateStyle = 'ISO, YMD';
create role "access o'""wner"; create role "access we;ird -- ""r'"; create schema "s ""; drop"; grant usage on schema "s ""; drop" to public;
create table "s ""; drop"."t' ""x" ("k' ""1" text, "k2)" date, "n ""n" text, primary key ("k' ""1", "k2)"));
create table "s ""; drop"."c' ""x" (id int primary key, "f1""" text, "f2'" date, foreign key ("f1""", "f2'") references "s ""; drop"."t' ""x");
insert into "s ""; drop"."t' ""x" values ('a''"', '2020-01-01', 'n'), ('[1]', '2020-01-02', 'm');
insert into "s ""; drop"."c' ""x" values (1, 'a''"', '2020-01-01'), (2, '[1]', '2020-01-02');
alter table "s ""; drop"."t' ""x" owner to "access o'""wner"; alter table "s ""; drop"."c' ""x" owner to "access o'""wner";
select gdpr.declare_subject('ki''n"d', '"s ""; drop"."t'' ""x"');
select gdpr.declare_column('"s ""; drop"."t'' ""x"', 'n "n', 'name');
select count(*)>0 from gdpr.allow('access we;ird -- "r''', '"s ""; drop"."t'' ""x"', '{name}', options => '{"own": "ki''n\"d", "others": "keep"}');
select count(*)>0 from gdpr.allow('access we;ird -- "r''', '"s ""; drop"."c'' ""x"', options => '{"own": "ki''n\"d", "others": "keep", "filter": "\"f1\"\"\" is not null /* x */ -- y"}');
select filter from gdpr.access_rule where filter is not null;
set role "access we;ird -- ""r'";
begin; select gdpr.begin_work(subject => 'ki''n"d:["a''\"","2020-01-01"]'); table "s ""; drop"."t' ""x"; table "s ""; drop"."c' ""x"; 
select gdpr.begin_work(subject => 'ki''n"d:["[1]","2020-01-02"]'); table "s ""; drop"."c' ""x"; 
select gdpr.begin_work(subject => 'ki''n"d:["[1]","kana"]'); table "s ""; drop"."c' ""x"; commit;
reset role;
select role,relation,category,rows,via from gdpr.access_matrix where role like 'access %' order by 1, 2, 3;
alter table "s ""; drop"."c' ""x" rename column "f1""" to "f'9";
select count(*) from gdpr.access_rule where relation::text like '%drop%';
create table "s ""; drop"."part" () inherits ("s ""; drop"."c' ""x");
select gdpr.release('"s ""; drop"."t'' ""x"'); select gdpr.release('"s ""; drop"."c'' ""x"');
\dp "s ""; drop".*
drop schema "s ""; drop" cascade; select count(*) from gdpr.subject where kind like 'ki''%'; drop role "access o'""wner", "access we;ird -- ""r'";
