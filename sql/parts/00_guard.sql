\echo Use "CREATE EXTENSION gdpr_ext" to load this file. \quit
