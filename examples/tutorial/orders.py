"""Send orders of a hundred customers, or a few that cannot be read."""

from __future__ import annotations

import argparse
import json

from kafka import KafkaProducer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", default="orders")
    parser.add_argument("--first", type=int, default=0, help="number of the first order")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--broken", action="store_true", help="send values that are no JSON")
    options = parser.parse_args()

    producer = KafkaProducer(bootstrap_servers=options.bootstrap_servers)
    for number in range(options.first, options.first + options.count):
        customer = f"customer-{number % 100}"
        order = {"number": number, "customer": customer, "amount": number % 7 + 1}
        value = b"three books" if options.broken else json.dumps(order).encode()
        producer.send(options.topic, key=customer.encode(), value=value)
    producer.close()
    print(f"sent {options.count} orders to {options.topic}")


if __name__ == "__main__":
    main()
