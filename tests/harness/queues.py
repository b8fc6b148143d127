"""What a queue holds."""

from . import wait


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, **({"AttributeNames": ["All"]} | more)).get("Messages", [])


def count(sqs, url, what="ApproximateNumberOfMessages"):
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[what])["Attributes"][what])


def drain(sqs, url, expected, seconds=10):
    """Receives and deletes until so many messages were seen."""
    seen = []

    def more():
        for message in receive(sqs, url, MaxNumberOfMessages=10):
            seen.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(seen) >= expected

    wait.until(f"{expected} messages", more, seconds)
    return seen
