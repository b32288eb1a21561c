BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit_events (
	number INTEGER NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	signer_key VARCHAR(32), 
	public TEXT NOT NULL, 
	personal_digest VARCHAR(64) NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_events PRIMARY KEY (number)
);
INSERT INTO "audit_events" VALUES(1,'2024-05-17T12:30:15.123456+00:00','vault-created',NULL,'{"version":"0.1.0"}','e73a75d5ca6d9d52f68edf9a1502efa2d8da73b8dc4210dbef70d5cc8b9efa1d','0000000000000000000000000000000000000000000000000000000000000000','d9dafbd5c8ca860a3d1946ac0766fece8d2e3bf9762f2ad4be2bfead6e5cd1d2');
INSERT INTO "audit_events" VALUES(2,'2024-05-17T12:30:15.123456+00:00','generation-activated',NULL,'{"generation":1,"model":"tiny-abababababab","preprocessing":"plain-1"}','59a61b61adad510559036795f1d24b9d5bef40958afb61944ae97632e1f0dd3d','d9dafbd5c8ca860a3d1946ac0766fece8d2e3bf9762f2ad4be2bfead6e5cd1d2','de5c207331a69c07bbf3f96ac44069a251d419b7f0eb68d8670d896e4e6e1a9a');
INSERT INTO "audit_events" VALUES(3,'2024-05-17T12:30:15.123456+00:00','calibrated',NULL,'{"generation":1,"thresholds":[{"accept":0.75,"accept_rates":{"fmr":{"high":0.25,"low":0.0625,"value":0.125},"fnmr":{"high":0.25,"low":0.0625,"value":0.125},"skilled_fmr":{"high":0.25,"low":0.0625,"value":0.125}},"fusion":{"cosine_spread":0.5,"local_spread":0.5,"local_weight":0.6666666666666666,"top":3},"likelihood_ratio":{"intercept":-4.0,"lower":-2.0,"slope":8.0,"upper":2.0},"origin":{"data":"synthetic","draws":10,"mated":300,"model":"tiny-abababababab","preprocessing":"plain-1","protocol":"repeated draws","random_forgeries":900,"seed":7,"signers":30,"skilled_forgeries":300},"references":2,"refuse":0.5,"refuse_rates":{"fmr":{"high":0.25,"low":0.0625,"value":0.125},"fnmr":{"high":0.25,"low":0.0625,"value":0.125},"skilled_fmr":null}}]}','5d2ee354e7afea4370a7c195094c0e349ea7db8b361ea82e38b46915410e8ad5','de5c207331a69c07bbf3f96ac44069a251d419b7f0eb68d8670d896e4e6e1a9a','4603520f38d298fd76fef78e5a353f0aee7cd96363d8b96c4ee31af3473e6647');
INSERT INTO "audit_events" VALUES(4,'2024-05-17T12:30:15.123456+00:00','reference-enrolled','5c0e47b59bb24546b20e6b755420f48e','{"generation":1,"reference":"744a6d7afc8942efb0c6fa2627ae61cb","signer":"5c0e47b59bb24546b20e6b755420f48e"}','42e4d7df73753d7023017721f740e372838bbab2fe7ad60ee6d69b2ae129f7f0','4603520f38d298fd76fef78e5a353f0aee7cd96363d8b96c4ee31af3473e6647','461df768075053b5b7bc67a072cad038d2cfef80393144a742c09a42dc27e6ca');
INSERT INTO "audit_events" VALUES(5,'2024-05-17T12:30:15.123456+00:00','reference-enrolled','5c0e47b59bb24546b20e6b755420f48e','{"generation":1,"reference":"f66da69be81a47eca41e3bde08663a2b","signer":"5c0e47b59bb24546b20e6b755420f48e"}','4ea3c3980d2259b8fa3bac9d586f72674fb2ea59c1ae63c8ad0e3aa7fe074505','461df768075053b5b7bc67a072cad038d2cfef80393144a742c09a42dc27e6ca','4e611c84a5195841c80257dfa176062683aa322d5b62d13d6bc5df7ad86a0767');
INSERT INTO "audit_events" VALUES(6,'2024-05-17T12:30:15.123456+00:00','reference-enrolled','dbcc635a47aa46a0babe2b74efeb4bae','{"generation":1,"reference":"4c10ceb9585f4b62a26d6d011fc5a07d","signer":"dbcc635a47aa46a0babe2b74efeb4bae"}','3137aaf28ff17a8b3929674ed90a9ce4d965ffa7dc0abfb09b7f8a1a82d8c905','4e611c84a5195841c80257dfa176062683aa322d5b62d13d6bc5df7ad86a0767','e0d975872114f4773a6159a1b44d8a5b7f40fca3d8c6607fdb5f4d39b3d33b78');
INSERT INTO "audit_events" VALUES(7,'2024-05-17T12:30:15.123456+00:00','signer-erased','dbcc635a47aa46a0babe2b74efeb4bae','{"references":1,"signer":"dbcc635a47aa46a0babe2b74efeb4bae"}','08940446bd85fc578c8fd0d8ca66008fd3e0304eb422d27512edaa413178bab3','e0d975872114f4773a6159a1b44d8a5b7f40fca3d8c6607fdb5f4d39b3d33b78','ff9a1559861a8d98036e4ca0564274d9ee147fb27b1c4d843d8e505441b93dc7');
CREATE TABLE audit_head (
	id INTEGER NOT NULL, 
	number BIGINT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (id)
);
INSERT INTO "audit_head" VALUES(1,7,'ff9a1559861a8d98036e4ca0564274d9ee147fb27b1c4d843d8e505441b93dc7');
CREATE TABLE audit_personal (
	event INTEGER NOT NULL, 
	signer_key VARCHAR(32), 
	salt VARCHAR(32) NOT NULL, 
	content TEXT NOT NULL, 
	CONSTRAINT pk_audit_personal PRIMARY KEY (event), 
	CONSTRAINT fk_audit_personal_event_audit_events FOREIGN KEY(event) REFERENCES audit_events (number)
);
INSERT INTO "audit_personal" VALUES(1,NULL,'8691a01cc1025b75a53739067786a59a','{}');
INSERT INTO "audit_personal" VALUES(2,NULL,'758bcbb829f8bfd9edf047cd89821a7b','{}');
INSERT INTO "audit_personal" VALUES(3,NULL,'9407f7f4ab834c3d2ddbfbcd92931e0a','{}');
INSERT INTO "audit_personal" VALUES(4,'5c0e47b59bb24546b20e6b755420f48e','feae2366133a97dc72a5e290fee20a44','{"digest":"1111111111111111111111111111111111111111111111111111111111111111","signer":"53"}');
INSERT INTO "audit_personal" VALUES(5,'5c0e47b59bb24546b20e6b755420f48e','6fc18101c94884e9a28de6f6314f66fe','{"digest":"2222222222222222222222222222222222222222222222222222222222222222","signer":"53"}');
INSERT INTO "audit_personal" VALUES(7,NULL,'787d16d3e76451a26fbfd4ede319f55b','{}');
CREATE TABLE embeddings (
	"row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	reference_id VARCHAR(32) NOT NULL, 
	generation_id INTEGER NOT NULL, 
	encoding VARCHAR(16) NOT NULL, 
	vector BLOB NOT NULL, 
	local_encoding VARCHAR(16) NOT NULL, 
	local BLOB NOT NULL, 
	local_shape JSON NOT NULL, 
	CONSTRAINT fk_embeddings_reference_id_references FOREIGN KEY(reference_id) REFERENCES "references" (id), 
	CONSTRAINT fk_embeddings_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id), 
	CONSTRAINT uq_embeddings_reference_id_generation_id UNIQUE (reference_id, generation_id), 
	CONSTRAINT ck_embeddings_encoding CHECK (encoding IN ('float32', 'float16')), 
	CONSTRAINT ck_embeddings_local_encoding CHECK (local_encoding IN ('int8', 'int8-zlib'))
);
INSERT INTO "embeddings" VALUES(1,'744a6d7afc8942efb0c6fa2627ae61cb',1,'float32',X'0000803F000000000000000000000000','int8-zlib',X'789C63606060A86740038D0C0C000B870101','[2, 3, 4]');
INSERT INTO "embeddings" VALUES(2,'f66da69be81a47eca41e3bde08663a2b',1,'float16',X'003800B800380038','int8-zlib',X'789C63606060A86740038D0C0C000B870101','[2, 3, 4]');
CREATE TABLE generations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model_id VARCHAR(128) NOT NULL, 
	preprocessing TEXT NOT NULL, 
	dimension INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	activated_at DATETIME, 
	CONSTRAINT fk_generations_model_id_models FOREIGN KEY(model_id) REFERENCES models (id), 
	CONSTRAINT ck_generations_status CHECK (status IN ('building', 'active', 'retired'))
);
INSERT INTO "generations" VALUES(1,'tiny-abababababab','plain-1',4,'active','2024-05-17 12:30:15.123456','2024-05-17 12:30:15.123456');
CREATE TABLE index_changes (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	generation_id INTEGER NOT NULL, 
	"row" BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	CONSTRAINT fk_index_changes_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id), 
	CONSTRAINT ck_index_changes_kind CHECK (kind IN ('add', 'remove'))
);
INSERT INTO "index_changes" VALUES(1,1,1,'add');
INSERT INTO "index_changes" VALUES(2,1,2,'add');
INSERT INTO "index_changes" VALUES(3,1,3,'add');
INSERT INTO "index_changes" VALUES(4,1,3,'remove');
CREATE TABLE models (
	id VARCHAR(128) NOT NULL, 
	name TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	card JSON NOT NULL, 
	added_at DATETIME NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id)
);
INSERT INTO "models" VALUES('tiny-abababababab','tiny','abababababababababababababababababababababababababababababababab','{"name": "tiny", "sha256": "abababababababababababababababababababababababababababababababab", "architecture": {"depth": 18}, "preprocessing": {"threshold": 0.1}, "preprocessing_name": "plain-1", "fusion": {"top": 3, "local_weight": 0.6666666666666666, "cosine_spread": 0.5, "local_spread": 0.5}, "training_data": ["synthetic signers"], "training_digests": ["cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"], "recipe": {"epochs": 3}, "metrics": {"eer": 0.125}, "thresholds": [], "calibration_digests": [], "licence": "Apache-2.0"}','2024-05-17 12:30:15.123456');
CREATE TABLE "references" (
	id VARCHAR(32) NOT NULL, 
	signer_key VARCHAR(32) NOT NULL, 
	image_digest VARCHAR(64) NOT NULL, 
	image_bytes BIGINT NOT NULL, 
	findings JSON NOT NULL, 
	enrolled_at DATETIME NOT NULL, 
	enrolled_by TEXT NOT NULL, 
	CONSTRAINT pk_references PRIMARY KEY (id), 
	CONSTRAINT fk_references_signer_key_signers FOREIGN KEY(signer_key) REFERENCES signers ("key"), 
	CONSTRAINT uq_references_signer_key_image_digest UNIQUE (signer_key, image_digest)
);
INSERT INTO "references" VALUES('744a6d7afc8942efb0c6fa2627ae61cb','5c0e47b59bb24546b20e6b755420f48e','1111111111111111111111111111111111111111111111111111111111111111',100,'[{"name": "cut_off", "value": 0.25, "limit": 0.125, "unit": "share of ink", "severe": false, "message": "scan it again"}]','2024-05-17 12:30:15.123456','clerk');
INSERT INTO "references" VALUES('f66da69be81a47eca41e3bde08663a2b','5c0e47b59bb24546b20e6b755420f48e','2222222222222222222222222222222222222222222222222222222222222222',100,'[{"name": "cut_off", "value": 0.25, "limit": 0.125, "unit": "share of ink", "severe": false, "message": "scan it again"}]','2024-05-17 12:30:16.123456','clerk');
CREATE TABLE signers (
	"key" VARCHAR(32) NOT NULL, 
	external_id TEXT, 
	name TEXT, 
	status VARCHAR(16) NOT NULL, 
	created_at DATETIME NOT NULL, 
	erased_at DATETIME, 
	CONSTRAINT pk_signers PRIMARY KEY ("key"), 
	CONSTRAINT uq_signers_external_id UNIQUE (external_id), 
	CONSTRAINT ck_signers_status CHECK (status IN ('active', 'erased'))
);
INSERT INTO "signers" VALUES('5c0e47b59bb24546b20e6b755420f48e','53','Signer 53','active','2024-05-17 12:30:15.123456',NULL);
INSERT INTO "signers" VALUES('dbcc635a47aa46a0babe2b74efeb4bae',NULL,NULL,'erased','2024-05-17 12:30:15.123456','2024-05-17 12:30:15.123456');
CREATE TABLE thresholds (
	generation_id INTEGER NOT NULL, 
	"references" INTEGER NOT NULL, 
	payload JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	event INTEGER NOT NULL, 
	CONSTRAINT pk_thresholds PRIMARY KEY (generation_id, "references"), 
	CONSTRAINT fk_thresholds_generation_id_generations FOREIGN KEY(generation_id) REFERENCES generations (id), 
	CONSTRAINT fk_thresholds_event_audit_events FOREIGN KEY(event) REFERENCES audit_events (number)
);
INSERT INTO "thresholds" VALUES(1,2,'{"references": 2, "accept": 0.75, "refuse": 0.5, "accept_rates": {"fnmr": {"value": 0.125, "low": 0.0625, "high": 0.25}, "fmr": {"value": 0.125, "low": 0.0625, "high": 0.25}, "skilled_fmr": {"value": 0.125, "low": 0.0625, "high": 0.25}}, "refuse_rates": {"fnmr": {"value": 0.125, "low": 0.0625, "high": 0.25}, "fmr": {"value": 0.125, "low": 0.0625, "high": 0.25}, "skilled_fmr": null}, "likelihood_ratio": {"slope": 8.0, "intercept": -4.0, "lower": -2.0, "upper": 2.0}, "fusion": {"top": 3, "local_weight": 0.6666666666666666, "cosine_spread": 0.5, "local_spread": 0.5}, "origin": {"data": "synthetic", "protocol": "repeated draws", "signers": 30, "mated": 300, "random_forgeries": 900, "skilled_forgeries": 300, "draws": 10, "seed": 7, "model": "tiny-abababababab", "preprocessing": "plain-1"}}','2024-05-17 12:30:15.123456',3);
CREATE INDEX ix_references_image_digest ON "references" (image_digest);
CREATE UNIQUE INDEX uq_generations_active ON generations (status) WHERE status = 'active';
CREATE INDEX ix_audit_events_signer_key ON audit_events (signer_key);
CREATE INDEX ix_audit_personal_signer_key ON audit_personal (signer_key);
CREATE INDEX ix_embeddings_generation_id_row ON embeddings (generation_id, "row");
CREATE INDEX ix_index_changes_generation_id_sequence ON index_changes (generation_id, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('generations',1);
INSERT INTO "sqlite_sequence" VALUES('embeddings',3);
INSERT INTO "sqlite_sequence" VALUES('index_changes',4);
COMMIT;
