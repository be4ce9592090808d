"""The catalogue: what is deleted with an index, in a new database and in one of the first release.

Every release has created its tables with ON DELETE CASCADE, so there is none to migrate.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from engine.catalog.tables import Index, Task, Video
from engine.service import Service
from tests.support.fakes import quick_models

FIRST_RELEASE = """
CREATE TABLE indexes (
    name VARCHAR NOT NULL, engine_name VARCHAR NOT NULL, options JSON NOT NULL,
    addons JSON NOT NULL, models JSON NOT NULL, id VARCHAR NOT NULL,
    created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL, PRIMARY KEY (id), UNIQUE (name)
);
CREATE TABLE tasks (
    index_id VARCHAR NOT NULL, video_id VARCHAR NOT NULL, status VARCHAR NOT NULL,
    filename VARCHAR NOT NULL, size INTEGER NOT NULL, duration FLOAT, width INTEGER,
    height INTEGER, error_code VARCHAR, error_message VARCHAR, id VARCHAR NOT NULL,
    created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL, PRIMARY KEY (id),
    FOREIGN KEY(index_id) REFERENCES indexes (id) ON DELETE CASCADE
);
CREATE TABLE videos (
    index_id VARCHAR NOT NULL, filename VARCHAR NOT NULL, duration FLOAT NOT NULL,
    fps FLOAT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, size INTEGER NOT NULL,
    indexed_at DATETIME NOT NULL, title VARCHAR, custom_metadata JSON NOT NULL,
    id VARCHAR NOT NULL, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
    PRIMARY KEY (id), FOREIGN KEY(index_id) REFERENCES indexes (id) ON DELETE CASCADE
);
"""


def index(name: str) -> Index:
    return Index(id=name, name=name, engine_name="marengo2.6", options=[], addons=[], models={})


def video(index_id: str) -> Video:
    shape = {"duration": 1.0, "fps": 25.0, "width": 640, "height": 360, "size": 1}
    return Video(index_id=index_id, filename="a.mp4", **shape)


def task(index_id: str) -> Task:
    return Task(index_id=index_id, status="ready", filename="a.mp4", size=1)


@pytest.mark.parametrize("release", ["first", "this"])
def test_videos_and_tasks_go_with_their_index(tmp_path: Path, release: str) -> None:
    if release == "first":
        with closing(sqlite3.connect(tmp_path / "catalog.sqlite3")) as connection:
            connection.executescript(FIRST_RELEASE)
    with Service(tmp_path, quick_models(), workers=1) as service:
        with service._catalog.transaction() as session:
            session.add_all([index("gone"), index("kept")])
            session.flush()
            session.add_all([video("gone"), video("gone"), video("kept")])
            session.add_all([task("gone"), task("kept")])
        service.delete_index("gone")
        with service._catalog.transaction() as session:
            assert session.scalars(select(Index.id)).all() == ["kept"]
            assert session.scalars(select(Video.index_id)).all() == ["kept"]
            assert session.scalars(select(Task.index_id)).all() == ["kept"]
