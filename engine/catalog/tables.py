"""The engine's catalogue: indexes, tasks and videos in SQL.

The catalogue alone decides what exists: a file that no row refers to is left over from a crash and
may be removed. By default it is an SQLite file in the data folder; a URL may name any other
database that SQLAlchemy supports.
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
# The kind of evidence behind each option of an index.
EVIDENCE_OF = {
    "visual": "visual",
    "conversation": "conversation",
    "text_in_video": "text_in_video",
    "logo": "text_in_video",
}
INDEX_OPTIONS = tuple(EVIDENCE_OF)
# The format version of indexes created before it was recorded.
UNRECORDED_VERSION = "2"

Json = dict[str, Any]


def new_id() -> str:
    """A new id of the form that the API has always used: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(timezone.utc)


class CatalogError(UserError):
    """The database cannot be used; the message names it and says what to do."""

    title = "The database cannot be used"
    page_status = 503


class UtcDateTime(TypeDecorator[datetime]):
    """Times with a time zone; SQLite itself stores none."""

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

    `options` are those of all its engines; `models` names the model that makes each kind of its
    evidence, and `evidence_format` is the format version of its evidence files.
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
        """Kinds of evidence behind these options that were made by other models than these.

        All kinds if the evidence has another format version.
        """
        kinds = list(dict.fromkeys(EVIDENCE_OF[option] for option in options))
        if (self.evidence_format or UNRECORDED_VERSION) != FORMAT_VERSION:
            return kinds
        return [kind for kind in kinds if self.models.get(kind) != models[kind]]


class Task(Base):
    """An upload on its way to becoming a video; `video_id` is set from the start.

    `video_url` and `transcription_url` are still to be downloaded. `transcript` has lines that the
    client sent, as start, end and text; they replace speech recognition.
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
    interruptions: Mapped[int | None]


class Video(Base):
    """A video whose evidence is complete.

    `damage` says which parts of its file could not be used; `fingerprint` identifies the file.
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
    """Whether an index has no videos and no unfinished tasks."""
    videos = select(Video.id).where(Video.index_id == index_id)
    coming = select(Task.id).where(Task.index_id == index_id, Task.status.not_in(FINAL_STATUSES))
    return not any(session.scalar(query.limit(1)) for query in (videos, coming))


class Catalog:
    """Opens the database; each session is one transaction."""

    def __init__(self, url: str) -> None:
        """Create missing tables; raises CatalogError for a database that cannot be used."""
        try:
            self.engine = create_engine(url)
        except (SQLAlchemyError, ImportError) as error:
            raise CatalogError(
                f"DATABASE_URL does not name a database that can be used: {error}"
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
            event.listen(self.engine, "begin", _begin_immediately)
            _check_sqlite(self.engine)
        Base.metadata.create_all(self.engine)
        _add_new_columns(self.engine)

    def _unusable(self, error: SQLAlchemyError) -> CatalogError:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        if self.engine.dialect.name != "sqlite":
            url = self.engine.url.render_as_string(hide_password=True)
            return CatalogError(f"The database {url} (DATABASE_URL) cannot be used: {reason}")
        path = Path(self.engine.url.database or "")
        return CatalogError(
            f"The catalogue {path} cannot be used ({reason}): restore it from a backup, or move "
            f"{path.parent} (ENGINE_DATA_DIR) away; all videos are then indexed again."
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back if the body raises an error."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The database URL of an SQLite file."""
    return f"sqlite:///{path.resolve().as_posix()}"


def _add_new_columns(engine: Engine) -> None:
    """Update the tables of an older release; columns added since then may be empty."""
    with engine.begin() as connection:
        inspector = inspect(connection)
        for table in Base.metadata.sorted_tables:
            existing = {column["name"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in existing:
                    kind = column.type.compile(engine.dialect)
                    connection.exec_driver_sql(
                        f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                    )


def _check_sqlite(engine: Engine) -> None:
    """Find damage at the start, not in the middle of a run."""
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise DatabaseError("PRAGMA quick_check", None, ValueError(found))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Enable what SQLite leaves off: reading during a write, foreign keys, waiting for locks."""
    connection.isolation_level = (
        None  # the driver must not begin on its own: see _begin_immediately
    )
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    """Take the write lock first, so that a transaction that reads and then writes cannot fail.

    SQLite refuses, without waiting for its timeout, to turn a reader into a writer when another
    connection has written meanwhile.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")
