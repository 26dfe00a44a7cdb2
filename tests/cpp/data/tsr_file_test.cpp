#include "tech_renaissance/data/tsr.h"

#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <streambuf>
#include <thread>

#ifndef _WIN32
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "data/tsr_header.h"
#include "support.h"

namespace tr {
namespace {

namespace fs = std::filesystem;
using test::Bytes;
using test::message_of;
using test::TemporaryDirectory;

Tensor example() {
    return Tensor::arange(12).reshape(Shape(3, 4));
}

/// Gives its bytes once; there is no way back, and no way to learn how many there are.
class OneWayBuffer : public std::streambuf {
  public:
    explicit OneWayBuffer(Bytes bytes) : bytes_(bytes.begin(), bytes.end()) {
        setg(bytes_.data(), bytes_.data(), bytes_.data() + bytes_.size());
    }

  private:
    std::vector<char> bytes_;
};

std::string text_of(const Bytes& bytes) {
    return {bytes.begin(), bytes.end()};
}

TEST(TsrFile, WhatIsWrittenIsRead) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    for (const Tensor& tensor : {example(), Tensor::zeros(Shape(0, 3)), Tensor::full(Shape(), 7, DType::INT64),
                                 Tensor::rand(Shape(100, 333)), Tensor::ones(Shape(2, 2), DType::BOOL)}) {
        write_tsr(tensor, path);
        EXPECT_TRUE(read_tsr(path).equal(tensor));
        EXPECT_EQ(directory.entries(), 1U);
    }
}

TEST(TsrFile, ReadingLeavesTheFileAlone) {
    const TemporaryDirectory directory;
    write_tsr(example(), directory / "a.tsr");
    const Bytes before = test::read_bytes(directory / "a.tsr");
    read_tsr(directory / "a.tsr");
    EXPECT_EQ(test::read_bytes(directory / "a.tsr"), before);
}

TEST(TsrFile, ViewsAreWritten) {
    const TemporaryDirectory directory;
    const std::int32_t values[] = {1, 2, 3};
    write_tsr(TensorView(values, Shape(3)), directory / "a.tsr");
    EXPECT_TRUE(read_tsr(directory / "a.tsr").equal(TensorView(values, Shape(3))));
}

TEST(TsrFile, PathsMayHoldSpacesAndUnicode) {
    const TemporaryDirectory directory;
    const fs::path path = directory.path() / fs::u8path(u8"größe und 張 .tsr");
    write_tsr(example(), path);
    EXPECT_TRUE(read_tsr(path).equal(example()));
}

TEST(TsrFile, RelativePathWithoutDirectory) {
    const TemporaryDirectory directory;
    const fs::path before = fs::current_path();
    fs::current_path(directory.path());
    write_tsr(example(), "a.tsr");
    EXPECT_TRUE(read_tsr("a.tsr").equal(example()));
    fs::current_path(before);
    EXPECT_EQ(directory.entries(), 1U);
}

TEST(TsrFile, MissingFileIsRefused) {
    const TemporaryDirectory directory;
    const auto path = directory / "none.tsr";
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(path); }),
              "cannot read " + path.string() + ": No such file or directory; check the path");
}

TEST(TsrFile, DirectoryIsRefused) {
    const TemporaryDirectory directory;
    const std::string name = directory.path().string();
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(name); }),
              "cannot read " + name + ": it is a directory, expected a regular file");
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(example(), name); }),
              "cannot write " + name + ": it is a directory, expected the name of a file");
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(example(), name + "/"); }),
              "cannot write " + name + "/: expected the name of a file");
    EXPECT_EQ(directory.entries(), 0U);
}

TEST(TsrFile, DirectoryThatIsNotThereIsRefused) {
    const TemporaryDirectory directory;
    const auto path = directory / "none" / "a.tsr";
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(example(), path); }),
              "cannot write " + path.string() + ": there is no directory " + path.parent_path().string() +
                  "; create it first");
}

TEST(TsrFile, EmptyFileIsRefused) {
    const TemporaryDirectory directory;
    test::write_bytes(directory / "a.tsr", {});
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(directory / "a.tsr"); }),
              "cannot read " + (directory / "a.tsr").string() +
                  ": its length is 0 bytes, expected at least the 64 of the header");
}

TEST(TsrFile, EveryCutIsRefusedAndTheFileStays) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    write_tsr(Tensor::ones(Shape(2, 3), DType::FP64), path);
    const Bytes whole = test::read_bytes(path);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        fs::resize_file(path, length);
        EXPECT_NE(message_of<TSRError>([&] { read_tsr(path); }).find(path.string() + ": its length is "),
                  std::string::npos);
        EXPECT_EQ(fs::file_size(path), length);
        test::write_bytes(path, whole);
    }
}

TEST(TsrFile, TrailingBytesAreRefused) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    write_tsr(example(), path);
    fs::resize_file(path, 113);
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(path); }),
              "cannot read " + path.string() +
                  ": its length is 113 bytes, expected 112: a header of 64 and data of 48; "
                  "there are bytes after the data");
}

TEST(TsrFile, ByteThatIsNoBoolIsRefused) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    write_tsr(Tensor::zeros(Shape(5), DType::BOOL), path);
    Bytes bytes = test::read_bytes(path);
    bytes[128 + 3] = 2;
    test::write_bytes(path, bytes);
    const std::string message = "element 3 of the BOOL data is 2, expected 0 or 1";
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(path); }), "cannot read " + path.string() + ": " + message);
    std::istringstream stream(text_of(bytes));
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(stream); }), "cannot read the stream: " + message);
}

TEST(TsrFile, HugeCountsTakeNoMemory) {
    const TemporaryDirectory directory;
    // 64 TiB: to take them on the header's word would be a std::bad_alloc.
    Bytes bytes = encode_tsr_header(DType::FP32, Shape(std::vector<std::int64_t>{1 << 20, 1 << 20, 16, 1, 1}));
    bytes.resize(bytes.size() + 100);
    test::write_bytes(directory / "a.tsr", bytes);
    EXPECT_NE(message_of<TSRError>([&] { read_tsr(directory / "a.tsr"); }).find("the file is cut short"),
              std::string::npos);
    std::istringstream seekable(text_of(bytes));
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(seekable); }),
              "cannot read the stream: it ended after 100 bytes of the data, expected 70368744177664; "
              "it is cut short");
    OneWayBuffer buffer(bytes);
    std::istream one_way(&buffer);
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(one_way); }),
              "cannot read the stream: it ended after 100 bytes of the data, expected 70368744177664; "
              "it is cut short");
}

TEST(TsrFile, FileIsReplacedWhole) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    constexpr std::int64_t kCount = 20000;
    write_tsr(Tensor::zeros(Shape(kCount)), path);
    std::atomic<bool> done{false};
    std::vector<std::thread> writers;
    for (int worker = 0; worker < 2; ++worker) {
        writers.emplace_back([&, worker] {
            for (int i = 0; i < 100; ++i) write_tsr(Tensor::full(Shape(kCount), 2 * i + worker), path);
            done = true;
        });
    }
    while (!done) {
        const Tensor tensor = read_tsr(path);
        ASSERT_TRUE(tensor.equal(Tensor::full(Shape(kCount), tensor.data<float>()[0])));
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(directory.entries(), 1U);
}

TEST(TsrStream, TensorsFollowOneAnother) {
    std::stringstream stream;
    write_tsr(example(), stream);
    write_tsr(Tensor::zeros(Shape(0), DType::FP64), stream);
    write_tsr(Tensor::full(Shape(), 3, DType::UINT8), stream);
    EXPECT_TRUE(read_tsr(stream).equal(example()));
    EXPECT_EQ(read_tsr(stream).shape(), Shape(0));
    EXPECT_EQ(read_tsr(stream).item<std::uint8_t>(), 3);
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(stream); }),
              "cannot read the stream: it ended after 0 bytes of the header, expected 64; it is cut short");
}

TEST(TsrStream, OneWayStreamIsRead) {
    std::ostringstream out;
    const Tensor large = Tensor::rand(Shape(17 << 20));  // more than what is taken on the header's word
    write_tsr(large, out);
    const std::string text = out.str();
    OneWayBuffer buffer(Bytes(text.begin(), text.end()));
    std::istream stream(&buffer);
    EXPECT_TRUE(read_tsr(stream).equal(large));
}

TEST(TsrStream, CutStreamsAreRefusedWithoutAndWithExceptions) {
    std::ostringstream out;
    write_tsr(Tensor::ones(Shape(2, 3), DType::FP64), out);
    const std::string whole = out.str();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        for (const auto exceptions : {std::ios::goodbit, std::ios::eofbit | std::ios::failbit | std::ios::badbit}) {
            std::istringstream stream(whole.substr(0, length));
            stream.exceptions(exceptions);
            EXPECT_NE(message_of<TSRError>([&] { read_tsr(stream); }).find("it is cut short"), std::string::npos);
        }
    }
}

TEST(TsrStream, DamageIsNamed) {
    std::istringstream stream(std::string(64, 'x'));
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(stream); }),
              "cannot read the stream: magic (offset 0) is the bytes 78 78 78 78, expected \"TSR!\"; "
              "is this a .tsr file?");
}

TEST(TsrStream, FailedStreamIsRefused) {
    std::ostringstream stream;
    stream.setstate(std::ios::badbit);
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(example(), stream); }),
              "cannot write a tensor of 48 bytes to the stream, which has failed; the stream holds a part of it");
}

#ifndef _WIN32

/// Lowers the limit on the size of files. To write beyond it is a fatal signal, unless that is ignored.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
};

TEST(TsrFile, FileOverTheLimitIsRefusedAndNoFatalSignal) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    const FileSizeLimit limit(4096);
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(Tensor::zeros(Shape(10000)), path); }),
              "cannot write " + path.string() + " (40064 bytes): File too large");
    EXPECT_EQ(directory.entries(), 0U);
}

TEST(TsrFile, WriteThatFailsHalfWayLeavesTheOldFileAndNothingElse) {
    const TemporaryDirectory directory;
    const auto path = directory / "a.tsr";
    write_tsr(example(), path);
    // Of these elements the second half cannot be read.
    constexpr std::size_t kHalf = 1U << 16;
    void* memory = mmap(nullptr, 2 * kHalf, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    ASSERT_EQ(mprotect(static_cast<char*>(memory) + kHalf, kHalf, PROT_NONE), 0);
    const TensorView broken(static_cast<const float*>(memory), Shape(2 * kHalf / sizeof(float)));
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(broken, path); }),
              "cannot write " + path.string() + " (131136 bytes): Bad address");
    munmap(memory, 2 * kHalf);
    EXPECT_TRUE(read_tsr(path).equal(example()));
    EXPECT_EQ(directory.entries(), 1U);
}

TEST(TsrFile, FolderThatMayNotBeWrittenIsRefused) {
    const TemporaryDirectory directory;
    const bool is_root = geteuid() == 0;
    fs::permissions(directory.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
    if (is_root) {
        ASSERT_EQ(seteuid(65534), 0);  // permissions do not bind root
    }
    const auto path = directory / "a.tsr";
    const std::string message = message_of<TSRError>([&] { write_tsr(example(), path); });
    if (is_root) {
        ASSERT_EQ(seteuid(0), 0);
    }
    EXPECT_EQ(message, "cannot write " + path.string() +
                           " (112 bytes): Permission denied; its directory must be one that you may write to");
}

TEST(TsrFile, PipesAndDevicesAreRefusedAndStay) {
    const TemporaryDirectory directory;
    const auto path = directory / "pipe";
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(path); }),
              "cannot read " + path.string() + ": it is a device, pipe or socket, expected a regular file");
    EXPECT_EQ(message_of<TSRError>([&] { write_tsr(example(), path); }),
              "cannot write " + path.string() + ": it is a device, pipe or socket, expected the name of a file");
    EXPECT_TRUE(fs::is_fifo(path));
    EXPECT_THROW(write_tsr(example(), "/dev/null"), TSRError);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(TsrFile, LinkIsReadThroughAndReplaced) {
    const TemporaryDirectory directory;
    write_tsr(example(), directory / "a.tsr");
    fs::create_symlink(directory / "a.tsr", directory / "link.tsr");
    EXPECT_TRUE(read_tsr(directory / "link.tsr").equal(example()));
    write_tsr(Tensor::zeros(Shape(1)), directory / "link.tsr");
    EXPECT_FALSE(fs::is_symlink(directory / "link.tsr"));
    EXPECT_TRUE(read_tsr(directory / "a.tsr").equal(example()));
}

TEST(TsrFile, UmaskDecidesWhoMayReadIt) {
    const TemporaryDirectory directory;
    const mode_t before = umask(0027);
    write_tsr(example(), directory / "a.tsr");
    umask(before);
    EXPECT_EQ(fs::status(directory / "a.tsr").permissions(), static_cast<fs::perms>(0640));
}

TEST(TsrFile, LeftoverOfADeadProcessIsPassedOver) {
    const TemporaryDirectory directory;
    const std::string prefix = ".tmp-" + std::to_string(getpid()) + "-";
    // The counter's next values are not known, but these cover it: it grows by one for each file written so far.
    for (int n = 0; n < 900; ++n) test::write_bytes(directory / (prefix + std::to_string(n)), {1});
    write_tsr(example(), directory / "a.tsr");
    EXPECT_TRUE(read_tsr(directory / "a.tsr").equal(example()));
    EXPECT_EQ(directory.entries(), 901U);
}

#endif

}  // namespace
}  // namespace tr
