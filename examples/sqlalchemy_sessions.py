"""One SQLAlchemy session for each worker, opened once and replaced after an error."""

import os

from kafka import KafkaConsumer
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from kafka_parallel import ParallelConsumer
from kafka_parallel.resources import WorkerResource

WORKERS = 8
engine = create_engine(
    os.environ["DATABASE_URL"],
    pool_size=WORKERS,  # each worker has one connection at a time
    pool_pre_ping=True,
)
sessions: WorkerResource[Session] = WorkerResource("session", open=lambda: Session(engine))


class Base(DeclarativeBase):
    pass


class Payment(Base):
    __tablename__ = "payments"

    id: Mapped[int] = mapped_column(primary_key=True)
    topic_partition: Mapped[int]
    topic_offset: Mapped[int]
    amount: Mapped[int]


def handle(record):
    session = sessions.get()
    with session.begin():  # commits, or rolls back if the handler raises
        session.add(
            Payment(topic_partition=record.partition, topic_offset=record.offset, amount=int(record.value)),
        )


def main():
    Base.metadata.create_all(engine)
    consumer = KafkaConsumer(
        os.environ["TOPIC"],
        group_id=os.environ["GROUP"],
        bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"],
        auto_offset_reset="earliest",
    )
    ParallelConsumer(consumer, workers=WORKERS, plugins=[sessions, "retry"]).run(handle)
    engine.dispose()


if __name__ == "__main__":
    main()
