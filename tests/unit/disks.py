"""The beginnings of disks of many formats, as small as they can be."""

from __future__ import annotations

import struct

MIB = 2**20


def qcow2(version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    header = struct.pack(">4sIQIIQ", b"QFI\xfb", version, backing, 8 if backing else 0, 16, MIB)
    return (header.ljust(72, b"\0") + struct.pack(">Q", features)).ljust(MIB // 4, b"\0")


def vmdk(kind: str = "monolithicSparse", footer: bool = False) -> bytes:
    """Return a VMDK in one file; with a footer its end is what counts."""
    description = f'# Disk\ncreateType="{kind}"\nRW 2048 SPARSE "disk.vmdk"\n'.encode()
    directory = 2**64 - 1 if footer else 26
    values = (b"KDMV", 3 if footer else 1, 3, 2048, 128, 1, 20, 512, 0)
    header = struct.pack("<4sIIQQQQIQQ", *values, directory).ljust(512, b"\0")
    data = (header + description.ljust(20 * 512, b"\0")).ljust(MIB, b"\0")
    if not footer:
        return data
    end = struct.pack("<4sIIQQQQIQQ", *values, 26).ljust(512, b"\0")
    return data + struct.pack("<QII", 1, 0, 3).ljust(512, b"\0") + end + bytes(512)


def flat_vmdk() -> bytes:
    """Return the text that tells where a VMDK's data is."""
    return b'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 2 FLAT "a" 0\n' * 2


def vdi() -> bytes:
    return (b"<<< VDI >>>".ljust(64, b"\0") + struct.pack("<I", 0xBEDA107F)).ljust(MIB, b"\0")


def vhd(fixed: bool = False) -> bytes:
    mark = b"conectix".ljust(512, b"\0")
    return bytes(MIB) + mark if fixed else mark.ljust(MIB, b"\0")


def luks() -> bytes:
    return struct.pack(">6sH", b"LUKS\xba\xbe", 1).ljust(MIB, b"\0")


def qed() -> bytes:
    return b"QED\0".ljust(MIB, b"\0")


def iso(front: bytes = b"") -> bytes:
    return (front.ljust(32 * 1024, b"\0") + b"\1CD001\1").ljust(MIB, b"\0")


def partitions(protective: bool = False, more: bool = False) -> bytes:
    """Return the first sector of a disk with an MBR, or a GPT; that of a hybrid one has more."""
    kind, chs = (0xEE, (0, 2, 0)) if protective else (0x83, (0, 2, 0))
    first = struct.pack("<B3BB3BII", 0, *chs, kind, 255, 255, 255, 1, 2047)
    second = struct.pack("<B3BB3BII", 0, 1, 1, 1, 0x83, 1, 1, 1, 100, 100) if more else b""
    return bytes(446) + (first + second).ljust(64, b"\0") + b"\x55\xaa"


def disk(**how: bool) -> bytes:
    return partitions(**how).ljust(MIB, b"\0")


def vhdx(metadata_at: int = 2 * MIB, whole: bool = True) -> bytes:
    region = bytes.fromhex("06a27c8b90479a4bb8fe575f050f886e")
    size = bytes.fromhex("2442a52f1bcd7648b2115dbed83bf4b8")
    table = struct.pack("<IIII", 0x69676572, 0, 1, 0)
    table += region + struct.pack("<QII", metadata_at, 2**16, 1)
    entries = struct.pack("<8sHH", b"metadata", 0, 1).ljust(32, b"\0")
    entries += size + struct.pack("<III", 2**16, 8, 0)
    data = (b"vhdxfile".ljust(192 * 1024, b"\0") + table).ljust(metadata_at, b"\0")
    return data + entries.ljust(2**16, b"\0") + struct.pack("<Q", MIB) if whole else data
