/* Asks a SavedModel through TensorFlow's C API: there is no Python in this process.

   ask SAVED_MODEL [OP_LIBRARY ...] -- [OPERATION:INDEX=TEXT ...] -- [OPERATION:INDEX ...]

   Texts of the same input in a row are one vector. Of each output, a line with the number
   of its values, and a line for each value. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tensor.h"
#include "tensorflow/c/tf_tstring.h"

enum { MAX_ENDS = 64 };

static void check(TF_Status* status, const char* what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

/* OPERATION:INDEX, up to the end or to a '='. */
static TF_Output end_of(TF_Graph* graph, const char* written) {
  const char* colon = strchr(written, ':');
  char name[1024];
  snprintf(name, sizeof name, "%.*s", (int)(colon - written), written);
  TF_Output end = {TF_GraphOperationByName(graph, name), atoi(colon + 1)};
  if (end.oper == NULL) {
    fprintf(stderr, "no operation %s\n", name);
    exit(1);
  }
  return end;
}

static TF_Tensor* vector_of(char** texts, int count) {
  int64_t shape[] = {count};
  TF_Tensor* tensor =
      TF_AllocateTensor(TF_STRING, shape, 1, count * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(tensor);
  for (int i = 0; i < count; ++i) {
    const char* text = strchr(texts[i], '=') + 1;
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], text, strlen(text));
  }
  return tensor;
}

static void print(const TF_Tensor* tensor) {
  int64_t count = TF_TensorElementCount(tensor);
  const void* data = TF_TensorData(tensor);
  printf("%lld\n", (long long)count);
  for (int64_t i = 0; i < count; ++i) {
    switch (TF_TensorType(tensor)) {
      case TF_FLOAT:
        printf("%.9g\n", ((const float*)data)[i]);
        break;
      case TF_INT32:
        printf("%d\n", ((const int32_t*)data)[i]);
        break;
      case TF_BOOL:
        printf("%d\n", ((const uint8_t*)data)[i]);
        break;
      case TF_STRING: {
        const TF_TString* text = (const TF_TString*)data + i;
        printf("%.*s\n", (int)TF_StringGetSize(text), TF_StringGetDataPointer(text));
        break;
      }
      default:
        fprintf(stderr, "a type that no answer has: %d\n", TF_TensorType(tensor));
        exit(1);
    }
  }
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  TF_Status* status = TF_NewStatus();
  int i = 2;
  for (; strcmp(argv[i], "--") != 0; ++i) {
    TF_LoadLibrary(argv[i], status);
    check(status, "op library");
  }
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status, "SavedModel");

  TF_Output inputs[MAX_ENDS], outputs[MAX_ENDS];
  TF_Tensor *values[MAX_ENDS], *answers[MAX_ENDS];
  int num_inputs = 0, num_outputs = 0;
  ++i;
  while (strcmp(argv[i], "--") != 0) {
    size_t length = strchr(argv[i], '=') + 1 - argv[i];
    int first = i;
    while (strncmp(argv[i], argv[first], length) == 0) ++i;
    inputs[num_inputs] = end_of(graph, argv[first]);
    values[num_inputs++] = vector_of(argv + first, i - first);
  }
  for (++i; i < argc; ++i) outputs[num_outputs++] = end_of(graph, argv[i]);
  TF_SessionRun(session, NULL, inputs, values, num_inputs, outputs, answers,
                num_outputs, NULL, 0, NULL, status);
  check(status, "run");
  for (int k = 0; k < num_outputs; ++k) print(answers[k]);
  return 0;
}
