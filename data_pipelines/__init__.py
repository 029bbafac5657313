from data_pipelines.programs.start import start_if_program

start_if_program(__name__)
