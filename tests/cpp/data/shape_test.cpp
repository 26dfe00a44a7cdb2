#include "tech_renaissance/data/shape.h"

#include <gtest/gtest.h>

#include "support.h"

namespace tr {
namespace {

using test::message_of;

TEST(Shape, SpellingsAreTheSame) {
    const std::size_t rows = 4;
    EXPECT_EQ(Shape(4, 3), Shape({4, 3}));
    EXPECT_EQ(Shape(rows, 3), Shape(std::vector<std::int64_t>{4, 3}));
    EXPECT_NE(Shape(4, 3), Shape(3, 4));
    EXPECT_NE(Shape(4), Shape(4, 1));
    EXPECT_EQ(Shape(), Shape({}));
}

TEST(Shape, ScalarHasRankZeroAndOneElement) {
    EXPECT_EQ(Shape().rank(), 0U);
    EXPECT_EQ(Shape().numel(), 1);
    EXPECT_EQ(Shape().to_string(), "()");
}

TEST(Shape, TextIsThatOfATuple) {
    EXPECT_EQ(Shape(5).to_string(), "(5,)");
    EXPECT_EQ(Shape(4, 3).to_string(), "(4, 3)");
    EXPECT_EQ(Shape(0, 3).to_string(), "(0, 3)");
}

TEST(Shape, DimsAreReadFromEitherEnd) {
    const Shape shape(2, 3, 4);
    EXPECT_EQ(shape.rank(), 3U);
    EXPECT_EQ(shape[0], 2);
    EXPECT_EQ(shape.dim(-1), 4);
    EXPECT_EQ(shape.dims(), (std::vector<std::int64_t>{2, 3, 4}));
    EXPECT_EQ(shape.numel(), 24);
}

TEST(Shape, DimThatIsNotThereIsRefused) {
    EXPECT_EQ(message_of<InputError>([] { Shape(2, 3).dim(2); }),
              "cannot take dimension 2 of the shape (2, 3), expected -2 to 1");
    EXPECT_EQ(message_of<InputError>([] { Shape().dim(0); }),
              "cannot take dimension 0 of the shape (), expected none: it is that of a scalar");
}

TEST(Shape, NegativeDimIsRefused) {
    EXPECT_EQ(message_of<InputError>([] { Shape(2, -3); }),
              "cannot make the shape (2, -3): dimension 1 is -3, expected 0 or more");
    EXPECT_THROW(Shape(std::size_t{1} << 63), InputError);
}

TEST(Shape, RankGoesUpTo16) {
    EXPECT_EQ(Shape(std::vector<std::int64_t>(16, 2)).numel(), 65536);
    EXPECT_EQ(message_of<InputError>([] { Shape(std::vector<std::int64_t>(17, 1)); }),
              "cannot make a shape of 17 dimensions, expected at most 16");
}

TEST(Shape, OverflowOfNumelIsRefused) {
    EXPECT_EQ(Shape(std::int64_t{1} << 62, 1).numel(), std::int64_t{1} << 62);
    EXPECT_EQ(Shape(std::int64_t{3037000499}, std::int64_t{3037000499}).numel(), 9223372030926249001);
    EXPECT_EQ(message_of<InputError>([] { Shape(std::int64_t{1} << 62, 2).numel(); }),
              "cannot count the elements of the shape (4611686018427387904, 2), expected at most 9223372036854775807");
}

TEST(Shape, ZeroDimMakesItEmptyWhateverTheOthers) {
    EXPECT_EQ(Shape(std::int64_t{1} << 62, std::int64_t{1} << 62, 0).numel(), 0);
}

}  // namespace
}  // namespace tr
