"""What is in the file of a SavedModel."""

from tensorflow.core.protobuf import saved_model_pb2


def meta_graph(saved_model):
    with open(f"{saved_model}/saved_model.pb", "rb") as file:
        return saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0]


def ops_of(saved_model):
    """Names of all ops that the graph and its functions use."""
    graph = meta_graph(saved_model).graph_def
    used = {node.op for node in graph.node}
    used |= {node.op for f in graph.library.function for node in f.node_def}
    return used - {f.signature.name for f in graph.library.function}
