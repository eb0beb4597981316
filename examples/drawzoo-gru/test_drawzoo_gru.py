from drawzoo_gru_encoder import GRUEncoder

from drawzoo.testing import check_encoder, check_plugin


def test_encoder():
    check_encoder(GRUEncoder, units=8)


def test_plugin():
    check_plugin("drawzoo-gru")
