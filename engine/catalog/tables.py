"""The engine's catalogue: indexes, tasks and videos in SQL.

The catalogue is the only truth about what exists: a file on disk that no row names is rubbish left
by a crash and may be removed. SQLite in the data folder by default; any database that SQLAlchemy
speaks to by URL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeDecorator

from core.errors import UserError
from engine.evidence import FORMAT_VERSION

FINAL_STATUSES = ("ready", "failed")
ENGINE_FAMILIES = ("marengo", "pegasus")
# An index option, and the kind of evidence it is answered from.
EVIDENCE_OF = {
    "visual": "visual",
    "conversation": "conversation",
    "text_in_video": "text_in_video",
    "logo": "text_in_video",
}
INDEX_OPTIONS = tuple(EVIDENCE_OF)
# That of all evidence whose index was made before the format was recorded.
UNRECORDED_VERSION = "2"

Json = dict[str, Any]


def new_id() -> str:
    """A fresh id in the shape the API has always used: 24 hex digits."""
    return secrets.token_hex(12)


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(timezone.utc)


class CatalogError(UserError):
    """The database cannot be used; the message names it and says what to do."""

    title = "The database cannot be used"
    page_status = 503


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
        Json: JSON,
        list[str]: JSON,
        list[Json]: JSON(none_as_null=True),
        list[tuple[float, float, str]]: JSON(none_as_null=True),
    }

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Index(Base):
    """A named set of videos.

    `options` are those of its engines together; `models` says which model makes each kind of its
    evidence, and `evidence_format` how the files of it are written.
    """

    __tablename__ = "indexes"

    name: Mapped[str] = mapped_column(unique=True)
    engine_name: Mapped[str]
    engines: Mapped[list[Json] | None]
    options: Mapped[list[str]]
    addons: Mapped[list[str]]
    models: Mapped[dict[str, str]]
    evidence_format: Mapped[str | None]

    def outdated_kinds(self, models: Mapping[str, str], options: Iterable[str]) -> list[str]:
        """Kinds of evidence behind these options that other models made than the given ones.

        All of them, where another edition of the engine wrote the evidence.
        """
        kinds = list(dict.fromkeys(EVIDENCE_OF[option] for option in options))
        if (self.evidence_format or UNRECORDED_VERSION) != FORMAT_VERSION:
            return kinds
        return [kind for kind in kinds if self.models.get(kind) != models[kind]]


class Task(Base):
    """One upload on its way to becoming a video; `video_id` is known from the start.

    `video_url` and `transcription_url` are still to be fetched; `transcript` are lines that the
    client gave, as start, end and text, in place of recognised ones.
    """

    __tablename__ = "tasks"

    index_id: Mapped[str] = mapped_column(ForeignKey("indexes.id", ondelete="CASCADE"), index=True)
    video_id: Mapped[str] = mapped_column(default=new_id, index=True)
    status: Mapped[str] = mapped_column(index=True)
    filename: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    duration: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    estimated_time: Mapped[datetime | None] = mapped_column(default=now)
    video_url: Mapped[str | None]
    transcription_url: Mapped[str | None]
    transcript: Mapped[list[tuple[float, float, str]] | None]


class Video(Base):
    """A video whose evidence is complete.

    `damage` says what of its file could not be used; `fingerprint` tells the file from others.
    """

    __tablename__ = "videos"

    index_id: Mapped[str] = mapped_column(ForeignKey("indexes.id", ondelete="CASCADE"), index=True)
    filename: Mapped[str] = mapped_column(index=True)
    duration: Mapped[float]
    fps: Mapped[float]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    indexed_at: Mapped[datetime] = mapped_column(default=now)
    title: Mapped[str | None]
    damage: Mapped[str | None]
    fingerprint: Mapped[str | None]
    custom_metadata: Mapped[Json] = mapped_column(default=dict)


def is_empty(session: Session, index_id: str) -> bool:
    """Whether an index has no video, and none on its way."""
    videos = select(Video.id).where(Video.index_id == index_id)
    coming = select(Task.id).where(Task.index_id == index_id, Task.status.not_in(FINAL_STATUSES))
    return not any(session.scalar(query.limit(1)) for query in (videos, coming))


class Catalog:
    """Opens the database and hands out sessions, one transaction each."""

    def __init__(self, url: str) -> None:
        """Make the tables that are missing; raises CatalogError for a database of no use."""
        try:
            self.engine = create_engine(url)
        except (SQLAlchemyError, ImportError) as error:
            raise CatalogError(
                f"DATABASE_URL names no database that can be used: {error}"
            ) from error
        try:
            self._prepare()
        except SQLAlchemyError as error:
            self.engine.dispose()
            raise self._unusable(error) from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def _prepare(self) -> None:
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_at_once)
            _look_through_sqlite(self.engine)
        Base.metadata.create_all(self.engine)
        _add_new_columns(self.engine)

    def _unusable(self, error: SQLAlchemyError) -> CatalogError:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        if self.engine.dialect.name != "sqlite":
            url = self.engine.url.render_as_string(hide_password=True)
            return CatalogError(f"The database {url} (DATABASE_URL) cannot be used: {reason}")
        path = Path(self.engine.url.database or "")
        return CatalogError(
            f"The catalogue {path} cannot be used ({reason}): put a copy in its place, or move "
            f"{path.parent} (ENGINE_DATA_DIR) away; all videos are then indexed again."
        )

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


def _add_new_columns(engine: Engine) -> None:
    """Bring the tables of an older release up to date; what is new since then may be empty."""
    with engine.begin() as connection:
        inspector = inspect(connection)
        for table in Base.metadata.sorted_tables:
            there = {column["name"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    kind = column.type.compile(engine.dialect)
                    connection.exec_driver_sql(
                        f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                    )


def _look_through_sqlite(engine: Engine) -> None:
    """Find damage now, and not in the middle of a run."""
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise DatabaseError("PRAGMA quick_check", None, ValueError(found))


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
