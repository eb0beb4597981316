from drawzoo_gru_encoder import GRUEncoder

from drawzoo.testing import check_encoder


def test_gru_encoder():
    check_encoder(GRUEncoder, units=8)
