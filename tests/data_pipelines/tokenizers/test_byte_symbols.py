from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS, bytes_of


def test_byte_symbols():
    assert len(set(BYTE_SYMBOLS)) == 256
    assert all(symbol.isprintable() and symbol != " " for symbol in BYTE_SYMBOLS)
    assert [BYTE_SYMBOLS[byte] for byte in b"a \n\xc3"] == ["a", "Ġ", "Ċ", "Ã"]
    assert bytes_of("Ġcaf" + "Ã©") == " café".encode()
