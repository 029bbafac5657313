"""The status and the metadata of models, as messages of TF Serving."""

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from bert_tf.serving.server.served_models import ServedModels


def status_proto(
    models: ServedModels, name: str, number: int | None
) -> get_model_status_pb2.GetModelStatusResponse:
    """The states of versions, the newest first.

    Raises:
        RequestError: there is no such model or version.
    """
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in models.status(name, number):
        status = response.model_version_status.add(
            version=version.number, state=int(version.state)
        )
        # gRPC's code UNKNOWN, which TF Serving uses for any failure.
        status.status.error_code = 2 if version.error else 0
        status.status.error_message = version.error
    return response


def metadata_proto(
    models: ServedModels, name: str, number: int | None
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """The signatures of a version.

    Raises:
        RequestError: there is no such model or version.
    """
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with models.using(name, number) as (version, model):
        response.model_spec.name = name
        response.model_spec.version.value = version.number
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in model.signatures.items():
            signatures.signature_def[key].CopyFrom(signature.definition)
    response.metadata["signature_def"].Pack(signatures)
    return response
