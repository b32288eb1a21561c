"""Every kind of picture that is accepted, and every kind that is refused."""

import hashlib
import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from sigvault.domain.errors import (
    ConfigurationError,
    ImageTooLarge,
    UnreadableFile,
    UnsupportedImage,
)
from sigvault.imaging.decode import DecodeLimits, decode_bytes, decode_file, read_bytes


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def grey():
    """White paper with a black corner at the top left and a grey bar."""
    pixels = np.full((40, 60), 255, np.uint8)
    pixels[:10, :20] = 0
    pixels[30:34, 10:50] = 100
    return Image.fromarray(pixels)


def png_claiming(width, height):
    """A PNG whose header claims a size and which holds next to nothing."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(64)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


class TestAccepted:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
    def test_lossless_formats_keep_every_pixel(self, grey, kind):
        image = decode_bytes(encoded(grey, kind))
        assert np.array_equal(image.pixels, np.asarray(grey))
        assert image.pixels.dtype == np.uint8
        assert (image.source_width, image.source_height) == (60, 40)

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
    def test_lossy_formats_nearly_do(self, grey, kind):
        image = decode_bytes(encoded(grey, kind, quality=95))
        assert np.abs(image.pixels.astype(int) - np.asarray(grey)).mean() < 3

    def test_the_digest_is_of_the_bytes(self, grey):
        data = encoded(grey)
        assert decode_bytes(data).digest == hashlib.sha256(data).hexdigest()

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
    def test_every_mode_comes_out_grey(self, grey, mode):
        if mode in ("I;16", "I"):
            picture = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
            picture = picture if mode == "I;16" else picture.convert("I")
        elif mode == "F":
            picture = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
        else:
            picture = grey.convert(mode)
        pixels = decode_bytes(encoded(picture, "TIFF")).pixels
        black, white = np.asarray(grey) == 0, np.asarray(grey) == 255
        assert pixels[black].max() <= 3
        assert pixels[white].min() >= 252
        if mode != "1":
            assert abs(int(pixels[31, 20]) - 100) <= 6

    def test_a_16_bit_png_and_a_dim_one(self, grey):
        full = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        twelve_bit = Image.fromarray(np.asarray(grey).astype(np.uint16) * 16)
        for picture in (full, twelve_bit):
            assert np.array_equal(decode_bytes(encoded(picture)).pixels, np.asarray(grey))

    def test_floats_that_are_no_numbers_count_as_paper(self):
        values = np.full((20, 20), 0.8, np.float32)
        values[5, 5], values[6, 6], values[7, 7] = np.nan, np.inf, 0.0
        pixels = decode_bytes(encoded(Image.fromarray(values), "TIFF")).pixels
        assert pixels[5, 5] == pixels[6, 6] == pixels[0, 0] == 255
        assert pixels[7, 7] == 0

    @pytest.mark.parametrize("level", [0.0, np.nan])
    def test_floats_all_alike_are_a_blank_page(self, level):
        values = Image.fromarray(np.full((20, 20), level, np.float32))
        assert np.unique(decode_bytes(encoded(values, "TIFF")).pixels).size == 1

    def test_transparency_is_laid_on_white(self):
        pixels = np.zeros((20, 30, 4), np.uint8)
        pixels[5:10, 5:25, 3] = 255
        grey = decode_bytes(encoded(Image.fromarray(pixels, "RGBA"))).pixels
        assert grey[0, 0] == 255
        assert grey[7, 15] == 0

    def test_a_transparent_palette_is_laid_on_white(self, grey):
        palette = grey.convert("P")
        pixels = decode_bytes(encoded(palette, transparency=palette.getpixel((0, 0)))).pixels
        assert pixels[0, 0] == 255
        assert pixels[31, 20] < 150

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
    def test_exif_orientation_is_undone(self, orientation, kind):
        upright = np.full((48, 80), 255, np.uint8)
        upright[:16, :32] = 0
        turns = {
            1: lambda a: a,
            2: np.fliplr,
            3: lambda a: np.rot90(a, 2),
            4: np.flipud,
            5: lambda a: a.T,
            6: lambda a: np.rot90(a, 1),
            7: lambda a: np.rot90(a, 2).T,
            8: lambda a: np.rot90(a, 3),
        }
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(turns[orientation](upright)))
        options = {"lossless": True} if kind == "WEBP" else {}
        image = decode_bytes(encoded(stored, kind, exif=exif, **options))
        assert image.pixels.shape == (48, 80)
        assert np.abs(image.pixels.astype(int) - upright).mean() < 3
        assert (image.source_width, image.source_height) == (80, 48)

    @pytest.mark.parametrize("colour", [(255, 160, 0), (255, 230, 40), (120, 220, 255)])
    def test_pale_coloured_ink_is_read_in_its_clearest_channel(self, colour):
        pixels = np.full((60, 90, 3), 255, np.uint8)
        pixels[20:26, 10:80] = colour
        grey = decode_bytes(encoded(Image.fromarray(pixels))).pixels
        assert int(grey[0, 0]) - int(grey[22, 40]) > 100

    def test_a_huge_jpeg_is_reduced_while_it_is_decoded(self, grey):
        data = encoded(grey.resize((1600, 1200)), "JPEG")
        image = decode_bytes(data, DecodeLimits(fine_side=800))
        assert image.pixels.shape == (600, 800)
        assert (image.source_width, image.source_height) == (1600, 1200)
        assert decode_bytes(data).pixels.shape == (1200, 1600)

    def test_a_tiff_with_a_thumbnail_is_one_page(self, grey):
        data = encoded(grey, "TIFF", save_all=True, append_images=[grey.resize((15, 10))])
        assert np.array_equal(decode_bytes(data).pixels, np.asarray(grey))


class TestRefused:
    def test_an_empty_file(self):
        with pytest.raises(UnsupportedImage, match="empty"):
            decode_bytes(b"")

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"%PDF-1.7 ...", "PDF"),
            (b"GIF89a" + bytes(50), "GIF"),
            (b"\x00\x00\x00\x18ftypheic" + bytes(50), "HEIC"),
            (b"PK\x03\x04" + bytes(50), "ZIP"),
            (b"<!doctype html><p>not found", "web page"),
            (b"just some words", "PNG, JPEG, BMP, TIFF or WebP"),
            (bytes(1000), "PNG, JPEG, BMP, TIFF or WebP"),
        ],
    )
    def test_other_files_are_named(self, data, words):
        with pytest.raises(UnsupportedImage, match=words):
            decode_bytes(data)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_truncated_files(self, kind, share):
        noise = np.random.default_rng(0).integers(0, 255, (80, 120), np.uint8)
        data = encoded(Image.fromarray(noise), kind)
        with pytest.raises(UnsupportedImage, match=r"damaged|none that can be read"):
            decode_bytes(data[: int(share * len(data))])

    @pytest.mark.parametrize("size", [(30_000, 30_000), (8_000, 8_000), (65_000, 65_000)])
    def test_bombs_are_refused_from_the_header(self, size):
        with pytest.raises(ImageTooLarge):
            decode_bytes(png_claiming(*size))

    def test_a_bomb_is_refused_when_warnings_are_off_too(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ImageTooLarge, match="10000 x 10000"):
                decode_bytes(png_claiming(10_000, 10_000))

    def test_a_picture_that_pillow_warns_of_is_told_once(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with pytest.raises(ImageTooLarge, match="10000 x 10000"):
                decode_bytes(png_claiming(10_000, 10_000))
        assert told == []

    def test_too_many_bytes_and_pixels(self, grey):
        data = encoded(grey)
        with pytest.raises(ImageTooLarge, match="MiB"):
            decode_bytes(data, DecodeLimits(max_bytes=len(data) - 1))
        with pytest.raises(ImageTooLarge, match="60 x 40"):
            decode_bytes(data, DecodeLimits(max_pixels=60 * 40 - 1))
        assert decode_bytes(data, DecodeLimits(len(data), 60 * 40)).pixels.shape == (40, 60)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
    def test_several_frames(self, grey, kind):
        other = Image.fromarray(255 - np.asarray(grey))
        data = encoded(grey, kind, save_all=True, append_images=[other])
        with pytest.raises(UnsupportedImage, match=r"animated|several pages"):
            decode_bytes(data)

    def test_hostile_bytes_raise_nothing_but_image_errors(self, grey):
        generator = np.random.default_rng(1)
        for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
            data = np.frombuffer(encoded(grey.convert("RGB"), kind), np.uint8)
            for _ in range(60):
                spoiled = data.copy()
                places = generator.integers(0, len(data), 5)
                spoiled[places] = generator.integers(0, 256, 5)
                try:
                    pixels = decode_bytes(spoiled.tobytes()).pixels
                except (UnsupportedImage, ImageTooLarge):
                    continue
                assert pixels.dtype == np.uint8

    def test_limits_below_one(self):
        with pytest.raises(ConfigurationError):
            DecodeLimits(max_bytes=0)


class TestFiles:
    def test_a_file_is_read(self, grey, tmp_path):
        path = tmp_path / "signature.png"
        path.write_bytes(encoded(grey))
        assert np.array_equal(decode_file(path).pixels, np.asarray(grey))
        assert np.array_equal(decode_file(str(path)).pixels, np.asarray(grey))

    def test_errors_name_the_file(self, tmp_path):
        path = tmp_path / "renamed.png"
        path.write_bytes(b"%PDF-1.4")
        with pytest.raises(UnsupportedImage, match=r"renamed\.png.*PDF"):
            decode_file(path)

    def test_missing_folder_and_impossible_paths(self, tmp_path):
        with pytest.raises(UnreadableFile, match="does not exist"):
            decode_file(tmp_path / "nothing.png")
        with pytest.raises(UnreadableFile, match="is a folder"):
            decode_file(tmp_path)
        with pytest.raises(UnreadableFile):
            decode_file("nul\0byte.png")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UnreadableFile, match="no regular file"):
            decode_file(tmp_path / "pipe")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
    def test_an_unreadable_file(self, grey, tmp_path):
        path = tmp_path / "locked.png"
        path.write_bytes(encoded(grey))
        path.chmod(0)
        with pytest.raises(UnreadableFile, match="permissions"):
            decode_file(path)

    def test_no_more_is_read_than_allowed(self, tmp_path):
        path = tmp_path / "large.png"
        path.write_bytes(bytes(1000))
        with pytest.raises(ImageTooLarge):
            read_bytes(path, DecodeLimits(max_bytes=999))
        assert len(read_bytes(path, DecodeLimits(max_bytes=1000))) == 1000
