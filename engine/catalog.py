"""The engine's catalogue: indexes, tasks and videos in SQL.

The catalogue is the only truth about what exists: a file on disk that no row names is rubbish left
by a crash and may be removed. SQLite in the data folder by default; any database that SQLAlchemy
speaks to by URL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, DateTime, Dialect, ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeDecorator

FINAL_STATUSES = ("ready", "failed")


def new_id() -> str:
    """A fresh id in the shape the API has always used: 24 hex digits."""
    return secrets.token_hex(12)


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(timezone.utc)


class UtcDateTime(TypeDecorator[datetime]):
    """Times with their zone on the way in and out; SQLite itself keeps none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """Columns that every table has."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute
        datetime: UtcDateTime,
        dict[str, str]: JSON,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Index(Base):
    """A named set of videos; `models` are those that made its evidence."""

    __tablename__ = "indexes"

    name: Mapped[str] = mapped_column(unique=True)
    engine_name: Mapped[str]
    options: Mapped[list[str]]
    addons: Mapped[list[str]]
    models: Mapped[dict[str, str]]


class Task(Base):
    """One upload on its way to becoming a video; `video_id` is known from the start."""

    __tablename__ = "tasks"

    index_id: Mapped[str] = mapped_column(ForeignKey("indexes.id", ondelete="CASCADE"), index=True)
    video_id: Mapped[str] = mapped_column(default=new_id, index=True)
    status: Mapped[str] = mapped_column(index=True)
    filename: Mapped[str] = mapped_column(index=True)
    size: Mapped[int]
    duration: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]


class Video(Base):
    """A video whose evidence is complete."""

    __tablename__ = "videos"

    index_id: Mapped[str] = mapped_column(ForeignKey("indexes.id", ondelete="CASCADE"), index=True)
    filename: Mapped[str] = mapped_column(index=True)
    duration: Mapped[float]
    fps: Mapped[float]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    indexed_at: Mapped[datetime] = mapped_column(default=now)
    title: Mapped[str | None]
    custom_metadata: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Catalog:
    """Opens the database and hands out sessions, one transaction each."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_at_once)
        Base.metadata.create_all(self.engine)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back if the body raises."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The database URL of an SQLite file."""
    return f"sqlite:///{path.resolve().as_posix()}"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Set what SQLite leaves off: readers beside a writer, foreign keys, patience under load."""
    connection.isolation_level = None  # the driver must not begin on its own: see _begin_at_once
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_at_once(connection: Connection) -> None:
    """Take the write lock first: a transaction that reads and then writes cannot fail half-way.

    SQLite refuses at once, whatever its time-out, to turn a reader into a writer when another
    writer came between.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")
