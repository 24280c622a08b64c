-- A state file as the version of schema 2 wrote it (SQLite's .dump), in the middle of incidents.
PRAGMA application_id = 2004116328;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE alerts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, document TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "alerts" VALUES(1,'open-told-1',1790000000.0,'{"v":1,"incident":"open-told","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(2,'open-told-2',1790000000.0,'{"v":1,"incident":"open-told","sequence":2,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(3,'over-1',1790000000.0,'{"v":1,"incident":"over","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(4,'over-2',1790000000.0,'{"v":1,"incident":"over","sequence":2,"state":"resolved","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(5,'tricky-1',1790000000.0,'{"v":1,"incident":"tricky","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"it says \"state\":\"resolved\"","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(6,'half-told-1',1790000000.0,'{"v":1,"incident":"half-told","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(7,'half-told-2',1790000000.0,'{"v":1,"incident":"half-told","sequence":2,"state":"resolved","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(8,'never-told-1',1790000000.0,'{"v":1,"incident":"never-told","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(9,'given-up-1',1790000000.0,'{"v":1,"incident":"given-up","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
INSERT INTO "alerts" VALUES(10,'two-topics-1',1790000000.0,'{"v":1,"incident":"two-topics","sequence":1,"state":"open","severity":"warning","cause":"provisioned","table":["123456789012","us-east-1","orders"],"index":"","time":1790000000.0,"opened_at":1790000000.0,"subject":"orders: writes throttled","sentence":"Writes of orders are throttled: demand 350, capacity 100.","facts":[["demand","350"],["capacity","100"]],"done":"raised writes from 100 to 400","todo":"nothing"}');
CREATE TABLE decisions (
        id INTEGER PRIMARY KEY, time REAL NOT NULL, name TEXT NOT NULL,
        intent TEXT REFERENCES intents (id) ON DELETE SET NULL, document TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "decisions" VALUES(1,1790000000.0,'orders','1790000000-1','{"v":1,"time":1790000000.0,"table":["123456789012","us-east-1","orders"],"dimension":{"index":"","kind":"write"},"before":100,"after":400,"reason":"raise-throttled","sentence":"writes need 400 units","mode":"act","outcome":"pending","evidence":{"demand":350.5,"throttled":20.0}}');
CREATE TABLE intents (
        id TEXT PRIMARY KEY, time REAL NOT NULL, document TEXT NOT NULL, settled_at REAL, verdict TEXT,
        CHECK ((settled_at IS NULL) = (verdict IS NULL))
    ) STRICT
    ;
INSERT INTO "intents" VALUES('1790000000-1',1790000000.0,'{"v":1,"id":"1790000000-1","time":1790000000.0,"action":{"table":["123456789012","us-east-1","orders"],"lever":"capacity","changes":[{"index":"","kind":"write","before":100,"after":400}],"mode":"act"}}',NULL,NULL);
CREATE TABLE learned (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (account, region, name)
    ) STRICT
    ;
CREATE TABLE messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL, topic TEXT NOT NULL,
        alert TEXT NOT NULL REFERENCES alerts (id), incident TEXT NOT NULL,
        attempts INTEGER NOT NULL, next_attempt REAL NOT NULL, error TEXT NOT NULL DEFAULT '',
        closed_at REAL, dead INTEGER NOT NULL DEFAULT 0,
        UNIQUE (id, topic)
    ) STRICT
    ;
INSERT INTO "messages" VALUES(1,'open-told-1','arn:aws:sns:us-east-1:123456789012:capacity','open-told-1','open-told',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(2,'open-told-2','arn:aws:sns:us-east-1:123456789012:capacity','open-told-2','open-told',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(3,'over-1','arn:aws:sns:us-east-1:123456789012:capacity','over-1','over',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(4,'over-2','arn:aws:sns:us-east-1:123456789012:capacity','over-2','over',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(5,'tricky-1','arn:aws:sns:us-east-1:123456789012:capacity','tricky-1','tricky',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(6,'half-told-1','arn:aws:sns:us-east-1:123456789012:capacity','half-told-1','half-told',0,1790000000.0,'',1790000000.0,0);
INSERT INTO "messages" VALUES(7,'half-told-2','arn:aws:sns:us-east-1:123456789012:capacity','half-told-2','half-told',0,1790000000.0,'',NULL,0);
INSERT INTO "messages" VALUES(8,'never-told-1','arn:aws:sns:us-east-1:123456789012:capacity','never-told-1','never-told',1,1790000030.0,'Throttling',NULL,0);
INSERT INTO "messages" VALUES(9,'given-up-1','arn:aws:sns:us-east-1:123456789012:capacity','given-up-1','given-up',1,1790000000.0,'NotFound',1790000000.0,1);
INSERT INTO "messages" VALUES(10,'two-topics-1','arn:aws:sns:us-east-1:123456789012:capacity','two-topics-1','two-topics',0,1790000000.0,'',NULL,0);
INSERT INTO "messages" VALUES(11,'two-topics-1','arn:aws:sns:us-east-1:123456789012:database','two-topics-1','two-topics',0,1790000000.0,'',1790000000.0,0);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE states (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (account, region, name)
    ) STRICT
    ;
INSERT INTO "states" VALUES('123456789012','us-east-1','orders','{"v":1,"dimensions":[{"index":"","kind":"read","expected":5},{"index":"","kind":"write","expected":100,"raised_at":1789999909.5,"lowered_at":1789991000.0,"advised":250,"floor_before":20,"floor_set":60,"offers":[[1789991000.0,40],[1789999939.5,100]]}],"latency":{"GetItem":{"mean":4.25,"minutes":900,"newest":1789999940,"slow_minutes":0,"average":4.5,"p99":11.0}},"incident":{"id":"orders-1","opened_at":1789999400.0,"cause":"provisioned","index":"","severity":"warning","sequence":2,"peak":0.21,"last_bad":1789999940.0,"events":1234.0,"named":["one-key"]},"changes":[1789999909.5],"foreign_at":1789993000.0,"pending":"1790000000-1","marks":[{"index":"","kind":"write","reason":"raise-throttled","after":100}],"refusal":{"outcome":"budget","at":1789997000.0,"detail":"Subscriber limit exceeded"},"point":"careful","point_goal":0.0001,"point_at":1789950000.0,"dearer_since":1789800000.0,"on_demand_since":1789900000.0,"samplers":{"":{"found":"off","set":"full","set_at":1789999939.5,"until":1790000840.0,"full_at":1789999939.5,"spent":0.25,"spent_day":1789948800.0,"refusal":"","noted":"","in_force":false,"reserved":0.0},"by-day":{"set":"off","spent":0.0,"refused_at":1789999970.0,"refusal":"denied","advised":"throttled","noted":"quota","in_force":false,"reserved":0.0,"told":{"quota":1789999910.0}}},"hot_keys":{"":{"verdict":"one-key","hottest":"key:0123456789ab","at":1789999699.5,"told":{"one-key":["key:0123456789ab","key:b"]}}}}');
INSERT INTO "states" VALUES('123456789012','us-east-1','users','{"v":1,"dimensions":[{"index":"","kind":"read","expected":5},{"index":"","kind":"write","expected":7,"raised_at":1789999909.5,"lowered_at":1789991000.0,"advised":250,"floor_before":20,"floor_set":60,"offers":[[1789991000.0,40],[1789999939.5,7]]}],"latency":{"GetItem":{"mean":4.25,"minutes":900,"newest":1789999940,"slow_minutes":0,"average":4.5,"p99":11.0}},"incident":{"id":"orders-1","opened_at":1789999400.0,"cause":"provisioned","index":"","severity":"warning","sequence":2,"peak":0.21,"last_bad":1789999940.0,"events":1234.0,"named":["one-key"]},"changes":[1789999909.5],"foreign_at":1789993000.0,"pending":"1790000000-1","marks":[{"index":"","kind":"write","reason":"raise-throttled","after":7}],"refusal":{"outcome":"budget","at":1789997000.0,"detail":"Subscriber limit exceeded"},"point":"careful","point_goal":0.0001,"point_at":1789950000.0,"dearer_since":1789800000.0,"on_demand_since":1789900000.0,"samplers":{"":{"found":"off","set":"full","set_at":1789999939.5,"until":1790000840.0,"full_at":1789999939.5,"spent":0.25,"spent_day":1789948800.0,"refusal":"","noted":"","in_force":false,"reserved":0.0},"by-day":{"set":"off","spent":0.0,"refused_at":1789999970.0,"refusal":"denied","advised":"throttled","noted":"quota","in_force":false,"reserved":0.0,"told":{"quota":1789999910.0}}},"hot_keys":{"":{"verdict":"one-key","hottest":"key:0123456789ab","at":1789999699.5,"told":{"one-key":["key:0123456789ab","key:b"]}}}}');
CREATE INDEX intents_open ON intents (time, id) WHERE settled_at IS NULL;
CREATE INDEX intents_settled ON intents (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX decisions_by_time ON decisions (time);
CREATE INDEX decisions_by_table ON decisions (name, time);
CREATE INDEX decisions_by_intent ON decisions (intent) WHERE intent IS NOT NULL;
CREATE INDEX alerts_by_time ON alerts (time);
CREATE INDEX messages_due ON messages (next_attempt) WHERE closed_at IS NULL;
CREATE INDEX messages_threads ON messages (incident, topic, number) WHERE closed_at IS NULL;
CREATE INDEX messages_closed ON messages (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX messages_by_alert ON messages (alert);
COMMIT;
