"""Compares Weir's quantised arithmetic with exact products of the same weights.

usage: compare_f32.py MODEL.gguf TEXT --program NEXT_TOKENS
           [--windows N] [--window 512] [--threads 2] [--kv f16] [--llama]

All weights are dequantised into an F32 GGUF file in a temporary folder (4 bytes a parameter; TMPDIR
says where). Weir multiplies float matrices by f32 activations, so its run on that file is the
reference, and its run on MODEL.gguf differs from it by the rounding of activations to 8 bits alone,
or with --kv q8 by that of keys and values as well (the reference keeps f16).
Prints one JSON object with what compare_llama.py prints, the F32 file in llama.cpp's place; with
--llama also under "llama" for llama.cpp on MODEL.gguf against the same reference. Windows and
NEXT_TOKENS as there (needs llama-cpp-python, numpy and gguf).
"""

import argparse
import json
import os
import tempfile

import gguf

from compare_llama import Llama, compare, read, run_program


def write_f32(source, target):
    """Copies a GGUF file, its tensors as F32."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value, kind = field.contents(), field.types[0]
        if name == "general.file_type":
            value = int(gguf.LlamaFileType.ALL_F32)
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, kind, sub_type=inner)
    for tensor in reader.tensors:
        shape = [int(d) for d in reversed(tensor.shape)]
        writer.add_tensor_info(tensor.name, shape, "float32", 4 * int(tensor.n_elements),
                               gguf.GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:  # one at a time: the whole file may not fit into memory
        writer.write_tensor_data(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--program", required=True)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kv", default="f16")
    parser.add_argument("--llama", action="store_true")
    arguments = parser.parse_args()
    llama = Llama(arguments.model, arguments.threads, arguments.window)
    windows = llama.windows(read(arguments.text), arguments.windows, arguments.window)
    theirs = [llama.predict(window) for window in windows] if arguments.llama else None
    del llama
    ours = run_program(arguments.program, arguments.model, windows, arguments.threads, arguments.kv)
    with tempfile.TemporaryDirectory() as folder:
        exact = os.path.join(folder, "f32.gguf")
        write_f32(arguments.model, exact)
        reference = run_program(arguments.program, exact, windows, arguments.threads)
    result = compare(ours, reference, "f32")
    if theirs:
        result["llama"] = compare(theirs, reference, "f32")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
