from data_pipelines.programs.backend import require_tensorflow

require_tensorflow("bert_tf.serving")
