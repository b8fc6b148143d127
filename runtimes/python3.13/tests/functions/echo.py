"""Gives back what it is given."""


def lambda_handler(event, context):
    return event
