"""The context object of an invocation."""

import time

_now = time.time


class _Record:
    """An object with the fields that its class lists, None where nothing is known."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return f"{type(self).__name__}([{','.join(f'{name}={getattr(self, name)}' for name in self.__slots__)}])"


class CognitoIdentity(_Record):
    """Who called through an identity pool."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, values):
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client(_Record):
    """What a mobile client said of itself."""

    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(_Record):
    """What a client sent with the invocation."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, values):
        super().__init__(values)
        if isinstance(self.client, dict):
            self.client = Client(self.client)


_NOBODY = {}


class LambdaContext:
    """What a handler is given beside its event."""

    def __init__(self, fields):
        get = fields.get
        self.aws_request_id = fields["requestId"]
        self.log_group_name = get("logGroup")
        self.log_stream_name = get("logStream")
        self.function_name = get("functionName")
        memory = get("memoryLimitMb")
        self.memory_limit_in_mb = None if memory is None else str(memory)
        self.function_version = get("functionVersion")
        self.invoked_function_arn = get("invokedFunctionArn")
        self.tenant_id = get("tenantId")
        client_context = get("clientContext")
        self.client_context = ClientContext(client_context) if isinstance(client_context, dict) else None
        self.identity = CognitoIdentity(get("identity") or _NOBODY)
        self._epoch_deadline_time_in_ms = fields["deadlineMs"]

    def get_remaining_time_in_millis(self):
        """Milliseconds until the host cuts the invocation off, never below 0."""
        left = self._epoch_deadline_time_in_ms - int(_now() * 1000)
        return left if left > 0 else 0

    def log(self, message):
        """Writes one event to the function's log, as it is."""
        from . import logs

        logs.write(str(message))

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return f"{type(self).__name__}([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"
